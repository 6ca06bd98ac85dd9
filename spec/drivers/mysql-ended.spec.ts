// What ends a whole transaction on MySQL and MariaDB without being asked to: nothing of it is sent any more.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { BlockControlError, TransactionFailedError, SandboxError } from '../../lib';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage, type ResettableKnex } from '../support/mysql-stage';
import { failure } from '../support/outcome';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

describeUnless(reason, 'a transaction that a MySQL server ends', () => {
  const stage = useMysqlStage({ 'innodb-rollback-on-timeout': 'ON' });
  let db: ResettableKnex;
  beforeEach(async () => {
    db = stage.resettable('mysql2');
    await db('t').insert([{ id: 1 }, { id: 2 }]);
  });

  const ids = async () => (await stage.rows('select id from t order by id')).map(({ id }) => id as number);
  const lock = (trx: Knex, id: number) => trx('t').where({ id }).forUpdate();

  /** Another transaction that has row 2 and wants row 1; resolves with what ends it. */
  async function rival(): Promise<() => Promise<void>> {
    const other = await db.transaction();
    // The server chooses the transaction that has changed less.
    await other('t').insert(Array.from({ length: 20 }, (_, i) => ({ id: 100 + i })));
    await lock(other, 2);
    const wanting = Promise.resolve(other('t').where({ id: 1 }).update({ value: 1 }));
    return async () => {
      await wanting;
      await other.rollback();
    };
  }

  it('sends no statement that waits behind a deadlock', async () => {
    let outcomes: PromiseSettledResult<unknown>[] = [];
    const error = await failure(
      db.atomic(async (trx) => {
        await lock(trx, 1);
        const end = await rival();
        outcomes = await Promise.allSettled([lock(trx, 2), trx('t').insert({ id: 3 }), trx('t').insert({ id: 4 })]);
        await end();
      }),
    );
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected']);
    expect(error).to.be.instanceOf(TransactionFailedError);
    expect(await ids()).to.deep.equal([1, 2]);
  });

  for (const [what, inside] of [
    ['trx.atomic()', (trx: Knex.Transaction & ResettableKnex, id: number) => trx.atomic((inner) => lock(inner, id))],
    ['trx.transaction()', (trx: Knex, id: number) => trx.transaction((inner) => lock(inner, id))],
  ] as const) {
    it(`tries a block again whose deadlock was met in ${what}`, async () => {
      let runs = 0;
      await db.atomic(
        async (trx) => {
          await trx('t').insert({ id: 3 });
          if (++runs > 1) return;
          await lock(trx, 1);
          const end = await rival();
          try {
            await inside(trx as never, 2);
          } finally {
            await end();
          }
        },
        { retry: 2 },
      );
      expect(runs).to.equal(2);
      expect(await ids()).to.deep.equal([1, 2, 3]);
    });
  }

  it('runs a block no second time whose script has committed before its deadlock', async () => {
    db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
    let runs = 0;
    const block = db.atomic(
      async (trx) => {
        await trx('t').insert({ id: 3 + runs++ });
        if (runs > 1) return;
        const locking = (id: number) => `select id from t where id = ${id} for update`;
        const other = await db.transaction();
        await other('t').insert(Array.from({ length: 20 }, (_, i) => ({ id: 100 + i })));
        await lock(other, 2);
        const script = failure(trx.raw(`commit; begin; ${locking(1)}; ${locking(2)}`));
        await stage.running(locking(2));
        await other('t').where({ id: 1 }).update({ value: 1 });
        await other.rollback();
        throw await script;
      },
      { retry: 2 },
    );
    expect(await failure(block)).to.include({ code: 'ER_LOCK_DEADLOCK' });
    expect(runs).to.equal(1);
    expect(await ids()).to.deep.equal([1, 2, 3]);
  });

  it('sends no statement that waits behind a lock wait that rolled back', async () => {
    const holder = await db.transaction();
    await lock(holder, 2);
    const error = await failure(
      db.atomic(async (trx) => {
        await trx.raw('set session innodb_lock_wait_timeout = 1');
        await trx('t').insert({ id: 3 });
        await Promise.allSettled([lock(trx, 2), trx('t').insert({ id: 4 })]);
      }),
    );
    await holder.rollback();
    expect(error).to.be.instanceOf(TransactionFailedError);
    expect(await ids()).to.deep.equal([1, 2]);
  });

  it('refuses statements after a schema change in a block', async () => {
    const error = await failure(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 3 });
        await Promise.allSettled([trx.raw('create table u (id int)'), trx('t').insert({ id: 4 })]);
      }),
    );
    await stage.rows('drop table u');
    expect(error).to.be.instanceOf(BlockControlError);
    expect(error.message)
      .to.include('"create table u (id int)", which this database commits before and after by itself')
      .and.to.include('before the transaction or after it');
    expect(await ids()).to.deep.equal([1, 2, 3]);
  });

  const FAILING = [
    'create table t (id int)',
    'drop table nowhere',
    'alter table t add column id int',
    'truncate table nowhere',
    'set statement max_statement_time = 10 for drop table nowhere',
  ];
  const WITH_ROWS = ['analyze table t', 'check table t', 'optimize table t'];

  for (const sql of [...FAILING, ...WITH_ROWS]) {
    it(`notices that ${sql.toUpperCase()} has committed, whose answer does not say so`, async () => {
      let later: Error | undefined;
      const block = db.atomic(async (trx) => {
        await trx('t').insert({ id: 3 });
        await trx.raw(sql).catch(() => {});
        later = await failure(trx('t').insert({ id: 4 }));
        throw new Error('of the block');
      });
      const error = await failure(block);
      expect(`${later?.message} ${error.message}`).to.include(sql);
      expect(await ids()).to.deep.equal([1, 2, 3]);
    });

    it(`runs a block no second time whose last statement, ${sql.toUpperCase()}, has committed`, async () => {
      let calls = 0;
      const block = db.atomic(
        async (trx) => {
          await trx('t').insert({ id: 10 + ++calls });
          await trx.raw(sql);
          throw new Error('of the block');
        },
        { retry: { attempts: 2, minDelayMillis: 0, when: () => true } },
      );
      await failure(block);
      expect(calls).to.equal(1);
      expect(await ids()).to.deep.equal([1, 2, 11]);
    });

    it(`fails a sandbox for ${sql.toUpperCase()} inside it`, async () => {
      const sandbox = await db.openSandbox();
      await db('t').insert({ id: 3 });
      await db.raw(sql).catch(() => {});
      const error = await failure(sandbox.close());
      expect(error).to.be.instanceOf(SandboxError).with.property('message').that.includes(sql);
    });
  }

  for (const end of ['throws another error', 'lets its error through'])
    it(`says that a schema change has committed which mysql2 gave up, in a block that ${end}`, async () => {
      const holder = await stage.resettable('mysql2').transaction();
      await holder('t').select();
      const hooks = { told: [] as unknown[] };
      const error = await failure(
        db.atomic(
          async (trx) => {
            await trx('t').insert({ id: 3 });
            const asked = trx.raw('alter table t add column late int').options({ timeout: 100 });
            if (end === 'lets its error through') return asked;
            await failure(asked);
            throw new Error('of the block');
          },
          { hooks: { afterRollback: ({ error: told }) => void hooks.told.push(told) } },
        ),
      );
      await holder.rollback();
      expect(await ids()).to.deep.equal([1, 2, 3]);
      const [control, ...others] = (error as { suppressed?: unknown[] }).suppressed ?? [];
      expect(control).to.be.instanceOf(BlockControlError).with.property('message').that.includes('add column late');
      expect(others).to.be.empty;
      expect(hooks.told).to.deep.equal([error]);
    });

  it('asks nothing behind a statement about rows that fails', async () => {
    await db.atomic(async (trx) => {
      await failure(trx('t').insert({ id: 1 }));
      await trx('t').insert({ id: 3 });
      const [{ Value: before }] = (await trx.raw("show session status like 'Com_do'"))[0];
      await failure(trx.raw('select * from nowhere'));
      const [{ Value: after }] = (await trx.raw("show session status like 'Com_do'"))[0];
      expect(after).to.equal(before);
    });
  });

  it('rejects in a sandbox with the hint that a schema change commits by itself', async () => {
    const error = await failure(
      db.sandbox(async () => {
        await db('t').insert({ id: 3 });
        await db.raw('create table u (id int)');
      }),
    );
    await stage.rows('drop table u');
    expect(error).to.be.instanceOf(SandboxError);
    expect(error.message)
      .to.include('commits before and after by itself')
      .and.to.include('before the sandbox is opened');
  });

  it('is no success after a raw ROLLBACK', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ id: 3 });
    await trx.raw('rollback');
    expect(await failure(trx.commit())).to.be.instanceOf(BlockControlError);
    expect(await ids()).to.deep.equal([1, 2]);
  });

  for (const sql of [
    'rollback and chain',
    'commit and chain',
    'start transaction',
    'set statement max_statement_time = 10 for start transaction',
    'set statement max_statement_time = 10 for commit and chain',
    'begin work',
    'rollback; begin',
    'rollback; begin; insert into t (id) values (1)', // which is there
  ]) {
    it(`is no success after a raw ${sql.toUpperCase()}, and nothing more of it is stored`, async () => {
      db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
      const block = db.atomic(async (trx) => {
        await trx('t').insert({ id: 3 });
        await Promise.allSettled([trx.raw(sql), trx('t').insert({ id: 4 })]);
      });
      expect(await failure(block)).to.be.instanceOf(BlockControlError);
      expect(await ids()).not.to.include(4);
    });
  }

  const IN_DISGUISE = [
    'call give_up()',
    "execute immediate 'rollback'",
    '/*!50000 rollback */',
    '/*M!100000 rollback */',
    'insert into t (id) values (5); rollback',
    'insert into t (id) values (5); /* so be it */ rollback',
    "insert into t (id) values (5); execute immediate 'rollback'",
    'create table if not exists t (id int); rollback',
  ];
  for (const sql of [
    ...IN_DISGUISE,
    'rollback and /* to */ chain',
    'insert into t (id) values (5); rollback and chain',
  ])
    for (const what of ['atomic', 'transaction'] as const)
      it(`is no success after ${sql.toUpperCase()} in ${what}(), and nothing more of it is stored`, async () => {
        await stage.rows('create or replace procedure give_up() begin select id from t; rollback; end');
        db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
        const error = await failure(
          db[what](async (trx: Knex.Transaction) => {
            await trx('t').insert({ id: 3 });
            await trx.raw(sql);
            await failure(trx('t').insert({ id: 4 }));
          }),
        );
        expect(error).to.be.instanceOf(BlockControlError);
        expect(error.message).not.to.include('commits before and after by itself');
        expect(await ids()).not.to.include(4);
      });

  for (const sql of ['call give_up()', 'insert into t (id) values (5); rollback'])
    it(`is no success when ${sql.toUpperCase()} was the last of a plain transaction`, async () => {
      await stage.rows('create or replace procedure give_up() rollback');
      db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
      const error = await failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 3 });
          await trx.raw(sql);
        }),
      );
      expect(error).to.be.instanceOf(BlockControlError);
      expect(await ids()).to.deep.equal([1, 2]);
    });

  const SCHEMA_CHANGES = [
    'create table u (id int)',
    '/*!40000 alter table t disable keys */',
    'set statement max_statement_time = 10 for create table u (id int)',
    'create or replace definer = current_user() procedure give_up() begin insert into t (id) values (5); rollback; end',
    'analyze table t',
    'drop table if exists u; create table u (id int)',
  ];
  for (const sql of SCHEMA_CHANGES)
    it(`lets a plain transaction go on after ${sql.toUpperCase()}`, async () => {
      db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
      await db.transaction(async (trx) => {
        await trx('t').insert({ id: 3 });
        await trx.raw(sql);
        await trx('t').insert({ id: 4 });
      });
      await stage.rows('drop table if exists u');
      expect(await ids()).to.deep.equal([1, 2, 3, 4]);
    });

  it('is a success when a script that ends with COMMIT was the last of a plain transaction', async () => {
    db = stage.resettable('mysql2', { connection: { ...stage.connection, multipleStatements: true } });
    await db.transaction((trx) => trx.raw("insert into t (id) values (3); -- that's it\ncommit"));
    expect(await ids()).to.deep.equal([1, 2, 3]);
  });

  it('works after statements that only look like an end', async () => {
    await db.transaction(async (trx) => {
      await trx.raw('begin not atomic set @x = 1; end');
      await trx.raw('savepoint a');
      await trx.raw('rollback to savepoint a');
      await trx('t').insert({ id: 3 });
    });
    expect(await ids()).to.deep.equal([1, 2, 3]);
  });
});
