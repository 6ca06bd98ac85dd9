// SQLite through better-sqlite3 and sqlite3 where they are there, and through libsql, which stands in for the first.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  KnexResetError,
  ResetError,
  type Resettable,
  resettable,
  type ResettableOptions,
  TransactionFailedError,
} from '../../lib';
import { nextTurn } from '../../lib/words/waiting';
import { failure, never, outcome, watch } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

type ResettableKnex = Knex & Resettable;

/** Counts without an end: what a long statement is to SQLite. */
const ENDLESS = 'with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n';

for (const engine of SQLITE_ENGINES) {
  const reason = whyNot(engine);

  describeUnless(reason, `the driver for ${engine}`, () => {
    const instances = new Set<ResettableKnex>();
    let folder: string;
    beforeEach(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-sqlite-'));
    });
    afterEach(async () => {
      await Promise.all(
        [...instances].map((db) => db.resetConnection({ timeoutMillis: 500 }).then(() => db.destroy())),
      );
      instances.clear();
      fs.rmSync(folder, { recursive: true });
    });

    function plain(filename: string, config: Knex.Config = {}): Knex {
      const client = sqliteClient(engine);
      const pool = filename === ':memory:' ? { min: 1, max: 1 } : { min: 0, max: 4 };
      return makeKnex({ filename }, { client, useNullAsDefault: true, ...config, pool: { ...pool, ...config.pool } });
    }

    async function make(filename: string, config: Knex.Config = {}, options?: ResettableOptions) {
      const db = resettable(plain(filename, config), options);
      instances.add(db);
      await db.schema.createTable('t', (table) => table.integer('id').primary());
      return db;
    }

    const idsOf = (db: Knex) => db('t').pluck('id').orderBy('id');

    it('refuses a read-only block, which SQLite does not have; a plain transaction ignores that, as in plain knex', async () => {
      const db = await make(':memory:');
      const insert = (id: number) => (trx: Knex) => trx('t').insert({ id });
      expect(await failure(db.atomic(insert(1), { readOnly: true })))
        .to.be.instanceOf(TypeError)
        .with.property('message')
        .which.includes('readOnly');
      await db.atomic(insert(2), { readOnly: false, deferrable: false, isolationLevel: 'read committed' });
      await db.transaction(insert(3), { readOnly: true });
      expect(await idsOf(db)).to.deep.equal([2, 3]);
    });

    it('closes an idle connection of a file in an orderly way, which is no death and causes no reset', async () => {
      const pool = { min: 0, max: 2, idleTimeoutMillis: 20, reapIntervalMillis: 10 };
      const db = await make(path.join(folder, 'data.sqlite'), { pool }, { onFatal: 'reset' });
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      await db.raw('select 1');
      await until('the idle one is closed', () => db.connectionState().connections.idle === 0);
      await nextTurn();
      expect(db.connectionState().generation).to.equal(0);
      await trx.commit();
      expect(await idsOf(db)).to.deep.equal([1]);
    });

    for (const kind of ['in-memory', 'file'] as const) {
      const filenameOf = () => (kind === 'file' ? path.join(folder, 'data.sqlite') : ':memory:');

      describe(`on ${kind === 'file' ? 'a file' : 'an in-memory database'}`, () => {
        for (const config of [{}, { doNotRejectOnRollback: false }]) {
          it(`stores nothing of a savepoint whose rollback by hand failed, ${JSON.stringify(config)}`, async () => {
            const db = await make(filenameOf());
            const trx = await db.transaction();
            const savepoints: string[] = [];
            trx.on('query', ({ sql }: { sql: string }) =>
              savepoints.push(...(/savepoint (\w+)/i.exec(sql)?.slice(1) ?? [])),
            );
            const inner = await trx.transaction(undefined, config);
            await inner('t').insert({ id: 1 });
            await inner.raw(`release ${savepoints[0]}`);
            await outcome(Promise.resolve(inner.rollback()));
            await failure(Promise.resolve(trx.commit()));
            expect(await idsOf(db)).to.deep.equal([]);
          });
        }

        it('leaves transactions, savepoints and schema changes as they were', async () => {
          const db = await make(filenameOf());
          const value = await db.transaction(async (trx) => {
            await trx('t').insert({ id: 1 });
            await failure(
              trx.transaction(async (inner) => {
                await inner('t').insert({ id: 2 });
                throw new Error('undo');
              }),
            );
            await trx.transaction((inner) => inner('t').insert({ id: 3 }));
            return 'done';
          });
          expect(value).to.equal('done');
          expect(await idsOf(db)).to.deep.equal([1, 3]);
          await db.schema.alterTable('t', (table) => table.string('name'));
          await db.schema.alterTable('t', (table) => table.dropColumn('name'));
          expect(await db('t').where({ id: 3 }).update({ id: 4 })).to.equal(1);
          expect(await db('t').insert({ id: 9 })).to.deep.equal([9]);
          expect(await failure(db.transaction((trx) => trx('t').insert({ id: 1 }))))
            .to.have.property('code')
            .that.includes('CONSTRAINT');
          expect(await failure(db.raw('select * from nowhere')))
            .to.have.property('message')
            .that.includes('nowhere');
          expect(await idsOf(db)).to.deep.equal([1, 4, 9]);
        });

        it('rolls back what is open at a reset, and keeps what was committed', async () => {
          const db = await make(filenameOf());
          await db('t').insert({ id: 1 });
          const transaction = watch(db.transaction((trx) => trx('t').insert({ id: 2 }).then(never)));
          await until('it is open', () => db.connectionState().transactions[0]?.lastSql?.includes('insert'));
          const start = performance.now();
          const report = await db.resetConnection({ reason: 'spec' });
          expect(performance.now() - start).to.be.below(2000);
          expect(report.abortedTransactions).to.have.length(1);
          expect(report).to.include(
            kind === 'file'
              ? { closedConnections: 1, recycledConnections: 0, forcedConnections: 0 }
              : { closedConnections: 0, recycledConnections: 1, forcedConnections: 0 },
          );
          expect(await idsOf(db)).to.deep.equal([1]);
          await until('it is told', () => transaction.state === 'rejected');
          expect(transaction.error).to.be.an.instanceof(ResetError);
        });

        it('refuses later statements of an aborted transaction', async () => {
          const db = await make(filenameOf());
          const trx = await db.transaction();
          await trx('t').insert({ id: 1 });
          await db.resetConnection();

          const next = await db.transaction();
          await next('t').insert({ id: 2 });
          expect(await failure(trx('t').insert({ id: 3 }))).to.be.an.instanceof(ResetError);
          expect(await failure(trx.commit())).to.be.an.instanceof(ResetError);
          await trx.rollback();
          expect(trx.isCompleted()).to.be.true;
          await next('t').insert({ id: 4 });
          expect(next.isCompleted()).to.be.false;
          await next.commit();
          expect(await idsOf(db)).to.deep.equal([2, 4]);
        });

        it('rejects a callback that ends after the reset', async () => {
          const db = await make(filenameOf());
          let finish = () => {};
          const held = new Promise<void>((resolve) => {
            finish = resolve;
          });
          const old = outcome(
            db.transaction((trx) =>
              trx('t')
                .insert({ id: 1 })
                .then(() => held),
            ),
          );
          await until('it is open', () => db.connectionState().transactions[0]?.lastSql?.includes('insert'));
          await db.resetConnection();
          await db.transaction(async (trx) => {
            await trx('t').insert({ id: 2 });
            finish();
            expect((await old).error).to.be.an.instanceof(ResetError);
            await trx('t').insert({ id: 3 });
          });
          expect(await idsOf(db)).to.deep.equal([2, 3]);
        });

        it('rejects queries that wait for the connection, and serves later ones', async () => {
          const db = await make(filenameOf(), { pool: { min: 0, max: 1 } });
          const trx = await db.transaction();
          await trx('t').insert({ id: 1 });
          const waiters = [
            failure(db('t').insert({ id: 2 })),
            failure(db.transaction((inner) => inner('t').insert({ id: 3 }))),
          ];
          await until('they wait', () => db.connectionState().connections.waiting === 2);
          const report = await db.resetConnection();
          expect(report.rejectedWaiters).to.equal(2);
          for (const waiter of waiters) expect(await waiter).to.be.an.instanceof(ResetError);
          expect(await idsOf(db)).to.deep.equal([]);
          expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0, waiting: 0 });
        });

        it('never reports a commit that a conflict rolled back', async () => {
          const db = await make(filenameOf());
          await db('t').insert({ id: 1 });
          const error = await failure(
            db.transaction(async (trx) => {
              await trx('t').insert({ id: 2 });
              await trx.raw('insert or rollback into t values (1)').catch(() => {});
              await trx('t')
                .insert({ id: 3 })
                .catch(() => {});
            }),
          );
          expect(error).to.be.an.instanceof(TransactionFailedError);
          expect(await idsOf(db)).to.deep.equal([1]);
        });

        it('sends nothing of a transaction behind what has ended it', async () => {
          const db = await make(filenameOf());
          await db.raw("create trigger no before update on t begin select raise(rollback, 'no'); end");
          await db('t').insert({ id: 1 });
          for (const sql of [
            'insert or rollback into t values (1)',
            'update t set id = 2',
            ';rollback',
            '; -- x\nROLLBACK',
          ])
            for (const what of ['atomic', 'transaction'] as const) {
              const error = await failure(
                db[what](async (trx: Knex.Transaction) => {
                  await trx('t').insert({ id: 2 });
                  const statements = [trx.raw(sql), trx('t').insert({ id: 3 }), trx.raw('insert into t values (4)')];
                  await Promise.allSettled(statements);
                  await failure(trx('t').insert({ id: 5 }));
                }),
              );
              expect(error, `${sql} in ${what}()`).to.be.an.instanceof(KnexResetError);
              expect(await idsOf(db), `${sql} in ${what}()`).to.deep.equal([1]);
            }
        });

        it('lets a transaction go on after an error that has not ended it', async () => {
          const db = await make(filenameOf());
          await db.transaction(async (trx) => {
            await trx('t').insert({ id: 1 });
            await failure(trx('t').insert({ id: 1 }));
            await failure(trx.raw('no statement'));
            await trx('t').insert({ id: 2 });
          });
          expect(await idsOf(db)).to.deep.equal([1, 2]);
        });

        it('rolls back a transaction that was begun by hand when its connection comes back', async () => {
          const db = await make(filenameOf(), { pool: { min: 0, max: 1 } });
          for (const begin of [
            'begin',
            '/* by hand */ BEGIN immediate',
            '/*! by hand */ begin',
            '/*M! by hand */ begin',
            'savepoint by_hand',
          ]) {
            await db.raw(begin);
            await db.transaction((trx) => trx('t').insert({ id: 1 }));
            expect(await db('t').where({ id: 1 }).delete()).to.equal(1);
          }
        });

        it('bounds destroy(), and closes', async () => {
          const db = await make(filenameOf(), {}, { timeoutMillis: 200 });
          const transaction = failure(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
          await until('it is open', () => db.connectionState().transactions[0]?.lastSql?.includes('insert'));
          const start = performance.now();
          await db.destroy();
          expect(performance.now() - start).to.be.within(150, 2500);
          expect(await transaction).to.be.an.instanceof(ResetError);
          expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
          db.initialize();
          const tables = await db('sqlite_master').where({ type: 'table', name: 't' }).pluck('name');
          expect(tables).to.deep.equal(kind === 'file' ? ['t'] : []);
        });

        if (engine === 'sqlite3')
          it('stops a statement that runs', async () => {
            const db = await make(filenameOf());
            const query = failure(db.raw(ENDLESS));
            await until('it runs', () => db.connectionState().connections.inUse === 1);
            const start = performance.now();
            const report = await db.resetConnection();
            expect(performance.now() - start).to.be.below(3000);
            expect(await query).to.be.an.instanceof(ResetError);
            expect(report).to.include({ abortedQueries: 1, forcedConnections: 0 });
            await db('t').insert({ id: 1 });
            expect(await idsOf(db)).to.deep.equal([1]);
          });
      });
    }

    it('leaves an in-memory connection with the code that took it by hand', async () => {
      const db = await make(':memory:');
      const connection: unknown = await db.client.acquireConnection();
      await db.resetConnection();
      const waiting = watch(db('t').insert({ id: 1 }));
      await until('it waits', () => db.connectionState().connections.waiting === 1);
      expect(waiting.state).to.equal('pending');
      await db.client.releaseConnection(connection);
      await until('it is served', () => waiting.state === 'resolved');
    });

    for (const [how, take] of [
      ['a reset', (db: ResettableKnex) => db.resetConnection()],
      ['a reset that recycles', (db: ResettableKnex) => db.resetConnection({ connections: 'recycle' })],
      ['the end', () => Promise.resolve()],
    ] as const) {
      it(`leaves an in-memory connection with whoever took it by hand inside a sandbox, at ${how}`, async () => {
        const db = await make(':memory:', {}, { timeoutMillis: 200 });
        const sandbox = await db.openSandbox();
        await db('t').insert({ id: 1 });
        const held: unknown = await db.client.acquireConnection();
        await take(db);
        await outcome(sandbox.close());
        const next = watch<object>(db.client.acquireConnection() as Promise<object>);
        for (let turn = 0; turn < 5; turn++) await nextTurn();
        expect(next.state).to.equal('pending');
        await db.client.releaseConnection(held);
        await until('it is served', () => next.state === 'resolved');
        expect(db.connectionState().connections).to.include({ inUse: 1, waiting: 0 });
        await db.client.releaseConnection(next.value);
        expect(await idsOf(db)).to.deep.equal([]);
      });
    }

    it('keeps an in-memory database when connections are recycled, evicted or doomed', async () => {
      const db = await make(':memory:', {}, { isFatal: (error) => /nowhere/.test(String(error)) });
      await db('t').insert({ id: 1 });
      await failure(db.transaction((trx) => trx.raw('select * from nowhere')));
      await failure(db.raw('select * from nowhere'));
      expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 1 });
      expect(await idsOf(db)).to.deep.equal([1]);
    });

    it('closes the connections of a pool on a file', async () => {
      const db = await make(path.join(folder, 'data.sqlite'));
      const readers = await Promise.all([db.transaction(), db.transaction(), db.transaction()]);
      await Promise.all(readers.map((trx) => trx('t').select()));
      const report = await db.resetConnection();
      expect(report.abortedTransactions).to.have.length(3);
      expect(report).to.include({ closedConnections: 3, forcedConnections: 0 });
      // libsql closes with the last statement, by the garbage collector.
      if (process.platform === 'linux' && engine !== 'libsql') expect(openFiles(folder)).to.deep.equal([]);
      await db('t').insert({ id: 1 });
      expect(await idsOf(db)).to.deep.equal([1]);
    });

    it('rolls back a transaction that had begun before the instance was resettable', async () => {
      const knex = plain(':memory:');
      await knex.schema.createTable('t', (table) => table.integer('id'));
      const trx = await knex.transaction();
      await trx('t').insert({ id: 1 });
      const db = resettable(knex);
      instances.add(db);
      expect((await db.resetConnection()).abortedTransactions).to.have.length(1);
      const waiting = idsOf(db);
      expect(await failure(trx('t').insert({ id: 2 }))).to.be.an.instanceof(ResetError);
      await outcome(trx.rollback());
      expect(await waiting).to.deep.equal([]);
    });
  });
}

function openFiles(folder: string): string[] {
  return fs
    .readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // the one that readdir itself had open
      }
    })
    .filter((file) => file.startsWith(folder));
}
