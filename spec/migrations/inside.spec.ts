// What a migration can do with this package, under the plain CLI and under `db.migrate`.
import { expect } from 'chai';
import { atomic, type Resettable, resettable } from '../../lib';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { useProject } from './project';
import { done, lockRow, sourceOf, startOver } from './source';

describe('inside a migration', () => {
  const stage = useStage();
  const project = useProject(() => stage.database);

  beforeEach(async () => {
    await startOver(stage.database);
    await stage.database.query('create table t (id int primary key)');
  });

  const stored = async () =>
    (await stage.database.query<{ id: number }>('select id from t order by id')).map((row) => row.id);

  describe('run by the plain knex CLI', () => {
    it('runs blocks in up and down, and a failure may be caught outside of one', async () => {
      const block = (first: number, second: number) => `async (knex) => {
        await atomic(knex, (trx) => trx('t').insert({ id: ${first} }));
        await atomic(knex, async (trx) => {
          await trx('t').insert({ id: ${second} });
          await trx('t').insert({ id: ${second} });
        }).catch(() => {});
        await knex('t').insert({ id: ${first + 1} });
      }`;
      project.add({ '1_blocks': `exports.up = ${block(1, 5)}; exports.down = ${block(3, 6)};` });
      const up = await project.cli('migrate:latest').ended;
      expect(up.output).to.include('Batch 1 run: 1 migrations');
      expect(await stored()).to.deep.equal([1, 2]);
      const down = await project.cli('migrate:rollback').ended;
      expect(down.output).to.include('Batch 1 rolled back: 1 migrations');
      expect(await stored()).to.deep.equal([1, 2, 3, 4]);
      expect(await done(stage.database)).to.be.empty;
    });

    it('runs a block in a non-transactional one', async () => {
      project.add({
        '1_block': `exports.config = { transaction: false };
          exports.up = async (knex) => {
            await atomic(knex, (trx) => trx('t').insert({ id: 1 }));
            await atomic(knex, async (trx) => {
              await trx('t').insert({ id: 2 });
              throw new Error('not this one');
            }).catch(() => {});
          };
          exports.down = async () => {};`,
      });
      expect(await project.cli('migrate:latest').ended).to.include({ code: 0 });
      expect(await stored()).to.deep.equal([1]);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('can be reset in the middle of a non-transactional one, which finishes and leaves the lock free', async () => {
      project.add({
        '1_reset': `exports.config = { transaction: false };
          exports.up = async (knex) => {
            const pid = async () => (await knex.raw('select pg_backend_pid() as pid')).rows[0].pid;
            const before = await pid();
            const { closedConnections } = await resettable(knex).resetConnection({ reason: 'after the DDL' });
            console.log('closed', closedConnections, 'other backend', (await pid()) !== before);
            await knex('t').insert({ id: 1 });
          };
          exports.down = async () => {};`,
        '2_after': `exports.up = (knex) => knex('t').insert({ id: 2 }); exports.down = async () => {};`,
      });
      const { code, output } = await project.cli('migrate:latest').ended;
      expect(output)
        .to.match(/closed [12] other backend true/)
        .and.include('Batch 1 run: 2 migrations');
      expect(code).to.equal(0);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      expect(await stored()).to.deep.equal([1, 2]);
    });

    it('runs afterCommit hooks of a transactional one once it is stored', async () => {
      project.add({
        '1_hook': `exports.up = async (knex) => {
            await knex('t').insert({ id: 1 });
            await afterCommit(knex, ({ trx }) => console.log('stored', trx.isCompleted()));
          };
          exports.down = async () => {};`,
      });
      const { code, output } = await project.cli('migrate:latest').ended;
      expect(output)
        .to.include('stored true')
        .and.match(/Batch 1 run: 1 migrations/);
      expect(code).to.equal(0);
      expect(await stored()).to.deep.equal([1]);
    });

    it('reports an afterCommit hook that threw, and the migration is stored and noted', async () => {
      project.add({
        '1_hook': `exports.up = async (knex) => {
            await knex('t').insert({ id: 1 });
            await afterCommit(knex, () => { throw new Error('no mail'); });
          };
          exports.down = async () => {};`,
      });
      const { code, output } = await project.cli('migrate:latest').ended;
      expect(output).to.match(/AfterCommitError: transaction trx\d+ is committed, but 1 afterCommit hook/);
      expect(code).to.equal(1);
      expect(await stored()).to.deep.equal([1]);
      expect(await done(stage.database)).to.deep.equal(['1_hook.js']);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      expect((await project.cli('migrate:latest').ended).output).to.include('Already up to date');
    });

    it('throws from resettable() in a transactional one, with the reason', async () => {
      project.add({ '1_transaction': `exports.up = async (knex) => resettable(knex); exports.down = async () => {};` });
      const { code, output } = await project.cli('migrate:latest').ended;
      expect(output)
        .to.match(/TypeError: resettable: .*was given a transaction/)
        .and.include('use atomic(trx');
      expect(code).to.equal(1);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('leaves the lock free when it throws half-way, and the next run works', async () => {
      const failing = (left: string) => `exports.config = { transaction: false };
        exports.up = async (knex) => {
          await resettable(knex).atomic((trx) => trx('t').insert({ id: 1 }));
          ${left}
        };
        exports.down = async () => {};`;
      project.add({ '1_fails': failing(`throw new Error('half-way');`) });
      expect((await project.cli('migrate:latest').ended).output).to.include('half-way');
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      await stage.database.query('truncate t');
      project.add({ '1_fails': failing('') });
      expect((await project.cli('migrate:latest').ended).code).to.equal(0);
      expect(await done(stage.database)).to.deep.equal(['1_fails.js']);
    });
  });

  describe('run by db.migrate', () => {
    it('runs blocks, transactional or not', async () => {
      const db = stage.resettable();
      await db.migrate.latest(
        sourceOf({
          one: { up: (knex) => atomic(knex, (trx) => trx('t').insert({ id: 1 })) },
          two: { up: (knex) => atomic(knex, (trx) => trx('t').insert({ id: 2 })), config: { transaction: false } },
        }),
      );
      expect(await stored()).to.deep.equal([1, 2]);
    });

    it('fails when a statement error is swallowed outside of a block, and the lock is free', async () => {
      const db = stage.resettable();
      const swallow = { up: async (knex: never) => void (await failure((knex as typeof db)('t').insert({ nope: 1 }))) };
      const error = await failure(db.migrate.latest(sourceOf({ swallow })));
      expect(error.code).to.be.oneOf(['ERR_TRANSACTION_FAILED', '25P02']);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('can be reset inside and between non-transactional ones', async () => {
      const db = stage.resettable();
      const fresh = { config: { transaction: false } };
      await db.migrate.latest(
        sourceOf({
          one: { ...fresh, up: (knex) => (knex as typeof db).resetConnection() },
          two: { ...fresh, up: async (knex) => void (await resettable(knex).resetConnection()) },
          three: { ...fresh, up: async () => void (await db.resetConnection()) },
          four: { up: (knex) => knex('t').insert({ id: 4 }) },
        }),
      );
      expect(await done(stage.database)).to.deep.equal(['one', 'two', 'three', 'four']);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      expect(await stored()).to.deep.equal([4]);
      expect(db.connectionState()).to.include({ generation: 3 });
    });

    it('has a transaction when it is transactional, which cannot be made resettable', async () => {
      const db = stage.resettable();
      const one = { up: async (knex: unknown) => resettable(knex as typeof db) as unknown as Resettable };
      const error = await failure(db.migrate.latest(sourceOf({ one })));
      expect(error).to.be.an.instanceof(TypeError).with.property('message').that.includes('was given a transaction');
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });
  });
});
