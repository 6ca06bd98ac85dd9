// That the root, its copies, migrations and seeds share one reset, whichever of them is asked.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError, resettable } from '../../lib';
import { failure } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';

describe('resetConnection()', () => {
  const stage = useStage();
  let folder: string;

  before(async () => {
    await stage.database.query('create table t (id int)');
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-spec-'));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** Each is in a transaction that is busy on the server, and is to be let go by one reset. */
  async function busy(...instances: Pick<ResettableKnex, 'transaction'>[]): Promise<Promise<Error>[]> {
    const transactions = instances.map((each) =>
      failure(
        each.transaction((trx) =>
          trx('t')
            .insert({ id: 1 })
            .then(() => trx.raw('select pg_sleep(30)')),
        ),
      ),
    );
    await stage.running('pg_sleep', instances.length);
    return transactions;
  }

  describe('with copies made before and after the instance became resettable', () => {
    const whichever: Record<string, (family: Family) => Promise<unknown>> = {
      'the root': ({ root }) => root.resetConnection(),
      'a copy made after': ({ after: copy }) => copy.resetConnection(),
      'a copy made before': ({ before: copy }) => resettable(copy).resetConnection(),
      'a copy of a copy': ({ after: copy }) => (copy.withUserParams({ n: 3 }) as ResettableKnex).resetConnection(),
    };
    interface Family {
      root: ResettableKnex;
      before: ReturnType<typeof stage.knex>;
      after: ResettableKnex;
    }

    function family(): Family {
      const root = stage.knex();
      const copy = root.withUserParams({ n: 1 });
      const db = stage.adopt(resettable(root));
      return { root: db, before: copy, after: db.withUserParams({ n: 2 }) as ResettableKnex };
    }

    for (const [title, reset] of Object.entries(whichever)) {
      it(`resets all of them when it is called on ${title}`, async () => {
        const all = family();
        const transactions = await busy(all.root, all.before, all.after);
        expect(await reset(all)).to.include({ closedConnections: 3, generation: 1 });
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
        for (const error of await Promise.all(transactions)) expect(error).to.be.an.instanceof(ResetError);
        for (const each of [all.root, all.before, all.after]) {
          expect((await each.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
        }
        expect(await stage.database.backends()).to.have.lengthOf(1);
        expect(all.root.connectionState()).to.deep.equal(all.after.connectionState());
      });
    }

    it('leaves the copies their user params', async () => {
      const all = family();
      await all.root.resetConnection();
      expect([all.before.userParams, all.after.userParams]).to.deep.equal([{ n: 1 }, { n: 2 }]);
    });

    it('opens connections of a copy that was made resettable by itself with the password, which knex does not copy', async () => {
      const copy = stage.adopt(resettable(stage.knex().withUserParams({ n: 1 })));
      const { password } = (copy as Knex).client.connectionSettings as { password: string };
      expect(password === stage.database.connection.password).to.equal(true);
      await copy.raw('select 1');
    });

    it('makes a copy that was made resettable by itself share the pool with the root', async () => {
      const root = stage.knex();
      const copy = stage.adopt(resettable(root.withUserParams({ n: 1 })));
      const transactions = await busy(root, copy);
      await copy.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await Promise.all(transactions);
      expect(resettable(root).connectionState().generation).to.equal(1);
    });
  });

  describe('with migrations and seeds', () => {
    function write(kind: string, name: string, body: string): string {
      const directory = path.join(folder, kind);
      fs.mkdirSync(directory, { recursive: true });
      fs.writeFileSync(path.join(directory, name), body);
      return directory;
    }

    it('aborts what a migration does with its knex', async () => {
      const body = `
        exports.config = { transaction: false };
        exports.up = async (knex) => { await knex.raw('select pg_sleep(30)'); };
        exports.down = async () => {};`;
      const directory = write('sleeping', '001_sleep.js', body);
      const db = stage.resettable();
      const migrating = failure(db.migrate.latest({ directory, tableName: 'sleeping_migrations' }));
      await stage.running('pg_sleep');
      await db.resetConnection();
      expect(await migrating).to.be.an.instanceof(ResetError);
      expect((await stage.database.backends()).filter(({ query }) => query.includes('pg_sleep'))).to.be.empty;
    });

    it('can be called on the knex of a migration', async () => {
      const body = `
        exports.config = { transaction: false };
        exports.up = async (knex) => {
          await knex.schema.createTable('migrated', (table) => table.integer('id'));
          const { closedConnections } = await knex.resetConnection();
          await knex('migrated').insert({ id: closedConnections });
        };
        exports.down = async () => {};`;
      const directory = write('resetting', '001_reset.js', body);
      const db = stage.resettable();
      await db.migrate.latest({ directory, tableName: 'resetting_migrations' });
      expect(await db('migrated')).to.deep.equal([{ id: 1 }]);
      expect(db.connectionState().generation).to.equal(1);
      expect(await db('resetting_migrations_lock').select('is_locked')).to.deep.equal([{ is_locked: 0 }]);
    });

    it('aborts the transaction of a migration', async () => {
      const body = `
        exports.up = async (knex) => {
          await knex('t').insert({ id: 9 });
          await knex.raw('select pg_sleep(30)');
        };
        exports.down = async () => {};`;
      const directory = write('transactional', '001_insert.js', body);
      const db = stage.resettable();
      const migrating = failure(db.migrate.latest({ directory, tableName: 'transactional_migrations' }));
      await stage.running('pg_sleep');
      const report = await db.resetConnection();
      expect(report.abortedTransactions).not.to.be.empty;
      expect(await migrating).to.be.an.instanceof(ResetError);
      expect(await stage.database.query('select id from t where id = 9')).to.be.empty;
    });

    it('aborts what a seed does', async () => {
      const directory = write('seeds', '001_seed.js', `exports.seed = (knex) => knex.raw('select pg_sleep(30)');`);
      const db = stage.resettable();
      const seeding = failure(db.seed.run({ directory }));
      await stage.running('pg_sleep');
      await db.resetConnection();
      expect((await seeding).message).to.include('reset');
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });
});
