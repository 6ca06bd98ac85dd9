// MySQL through mysql2 and mysql, against a real MariaDB.
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError, resettable, TransactionFailedError } from '../../lib';
import { whyNoMariadb } from '../support/mariadb-server';
import { FaultProxy } from '../support/fault-proxy';
import { Middlebox } from '../support/middlebox';
import { useMysqlStage } from '../support/mysql-stage';
import { failure, never, nextTurn, outcome, watch } from '../support/outcome';
import { logOf } from '../support/quiet-knex';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const MANY = 'select a.seq from seq_1_to_1000 a, seq_1_to_1000 b';
const isInstalled = (name: string) => {
  try {
    return require.resolve(name) !== '';
  } catch {
    return false;
  }
};

for (const client of ['mysql2', 'mysql']) {
  const reason = isInstalled(client) ? whyNoMariadb() : `the package ${client} is not installed`;

  describeUnless(reason, `the driver for ${client}`, () => {
    const stage = useMysqlStage();

    const idOf = async (db: Knex) => (await db.raw('select connection_id() as id'))[0][0].id as number;

    it('leaves transactions and savepoints as they were', async () => {
      const db = stage.resettable(client);
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
      expect(await failure(db.transaction((trx) => trx('t').insert({ id: 1 })))).to.include({ code: 'ER_DUP_ENTRY' });
      expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 3]);
    });

    for (const how of ['forget', 'reset'] as const) {
      it(`leaves nothing of what a middlebox has forgotten (${how}): idle, in a transaction, in a query`, async () => {
        const { host, port } = stage.connection;
        const middlebox = await Middlebox.to({ host, port });
        try {
          const db = stage.resettable(client, { connection: { ...stage.connection, port: middlebox.port } });
          const raw = await db.client.acquireConnection();
          const trx = await db.transaction();
          void outcome(trx.executionPromise);
          await trx('t').insert({ id: 77 });
          const query = outcome(db.raw('select sleep(30)'));
          await stage.running('sleep(30)');
          await db.client.releaseConnection(raw);
          middlebox[how]();
          if (how === 'reset') await until('it is noticed', () => middlebox.isDeserted);
          await db.resetConnection();
          await stage.whenDeserted();
          expect(await stage.transactions()).to.equal(0);
          await query;
        } finally {
          await middlebox.close();
        }
      });
    }

    it('streams rows', async () => {
      const db = stage.resettable(client);
      const seen: unknown[] = [];
      for await (const row of db.raw('select seq from seq_1_to_5').stream()) seen.push((row as { seq: number }).seq);
      expect(seen).to.deep.equal([1, 2, 3, 4, 5]);
      expect(await failure(drain(db.raw('select * from nowhere').stream()))).to.include({ code: 'ER_NO_SUCH_TABLE' });
      expect((await db.raw('select 1 as one'))[0][0].one).to.equal(1);
    });

    it('says to a query that it was cancelled for the rollback of its transaction', async () => {
      const trx = await stage.resettable(client).transaction();
      const query = failure(trx.raw('select sum(a.seq) from seq_1_to_1000000 a, seq_1_to_1000000 b'));
      await stage.running('sum(a.seq)');
      await trx.rollback();
      const error = (await query) as Error & { errno?: number };
      expect(error).to.include({ errno: 1317 });
      expect(error.cause).to.be.an.instanceof(TransactionFailedError);
      expect((error.cause as Error).message).to.match(/rolled back while it ran/);
    });

    describe('resetConnection()', () => {
      it('stops running statements and frees their locks long before they would end', async () => {
        const db = stage.resettable(client);
        await db('t').insert({ id: 1 });
        const transaction = failure(
          db.transaction(async (trx) => {
            await trx('t').where({ id: 1 }).update({ value: 2 });
            await trx.raw('select sleep(30)');
          }),
        );
        const idle = failure(db.transaction((trx) => trx('t').insert({ id: 7 }).then(never)));
        // Not a second sleep: MariaDB may take two seconds to kill two at once, which wait on the same mutex.
        const query = failure(db.raw('select sum(a.seq) from seq_1_to_1000000 a, seq_1_to_1000000 b'));
        await stage.running('sleep(30)');
        await stage.running('sum(a.seq)');
        await until('both transactions are open', async () => (await stage.transactions()) === 2);

        const start = performance.now();
        const report = await db.resetConnection({ reason: 'spec' });
        await stage.whenDeserted();
        expect(await stage.transactions()).to.equal(0);
        expect(performance.now() - start).to.be.below(3000);
        expect(report).to.include({ abortedQueries: 1, closedConnections: 3, forcedConnections: 0 });
        expect(report.abortedTransactions.map(({ state }) => state)).to.have.members(['running', 'idle']);
        expect(report.abortedTransactions.map(({ backendId }) => typeof backendId)).to.deep.equal(['number', 'number']);
        for (const victim of [transaction, idle, query]) expect(await victim).to.be.an.instanceof(ResetError);
        expect(await db('t').select('id', 'value')).to.deep.equal([{ id: 1, value: 0 }]);
      });

      it('rejects the reader of a stream that was too slow', async () => {
        const db = stage.resettable(client);
        const stream = db.raw(MANY).stream({ highWaterMark: 2 });
        const reading = watch(once(stream, 'end'));
        const isReadable = watch(once(stream, 'readable'));
        await until('rows have come', () => isReadable.state === 'resolved');
        const report = await db.resetConnection();
        expect(reading.error).to.be.an.instanceof(ResetError);
        expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
        await stage.whenDeserted();
      });

      it('ends statements that ran before the instance was resettable', async () => {
        const plain = stage.knex(client);
        const query = failure(plain.raw('select sleep(30)'));
        await stage.running('sleep(30)');
        const report = await resettable(plain).resetConnection();
        expect(await query).to.be.an.instanceof(ResetError);
        expect(report).to.include({ abortedQueries: 1, forcedConnections: 0 });
        await stage.whenDeserted();
      });

      it('ends a transaction that had begun before the instance was resettable', async () => {
        const plain = stage.knex(client);
        const trx = await plain.transaction();
        await trx('t').insert({ id: 1 });
        const report = await resettable(plain).resetConnection();
        expect(report.abortedTransactions).to.have.length(1);
        expect(await stage.transactions()).to.equal(0);
        expect(await failure(trx('t').insert({ id: 2 }))).to.be.an.instanceof(ResetError);
        expect(await stage.rows('select id from t')).to.deep.equal([]);
      });

      it('keeps its bound with a server that is silent', async () => {
        const proxy = await FaultProxy.to({ ...stage.connection, protocol: 'raw' });
        const db = stage.resettable(client, { connection: proxy.through(stage.connection) });
        const query = failure(db.raw('select sleep(30)'));
        await stage.running('sleep(30)');
        proxy.mode = 'blackhole';
        const start = performance.now();
        const report = await db.resetConnection({ timeoutMillis: 300 });
        expect(performance.now() - start).to.be.below(2000);
        expect(report).to.include({ closedConnections: 1, forcedConnections: 1 });
        expect(await query).to.be.an.instanceof(ResetError);
        await proxy.close();
      });

      it('ends connections that are being opened', async () => {
        const silent = await Silent.start();
        const db = stage.resettable(client, { connection: { ...stage.connection, port: silent.port } });
        const query = failure(db.raw('select 1'));
        await until('it connects', () => silent.sockets.size === 1);
        await db.resetConnection({ timeoutMillis: 200 });
        expect(await query).to.be.an.instanceof(ResetError);
        await until('the socket is closed', () => silent.sockets.size === 0);
        await silent.stop();
      });
    });

    describe("with connections: 'recycle'", () => {
      const shown = `select database() as db, @@collation_connection as collation, @@character_set_client as charset,
        @@sql_mode as mode, @@autocommit as autocommit, @x as x, is_free_lock('spec') as free`;

      it('keeps the connection, and clears its session', async () => {
        const db = stage.resettable(client);
        const id = await idOf(db);
        const [[fresh]] = await db.raw(shown);
        await failure(
          db.transaction(async (trx) => {
            for (const sql of [
              "set @x = 1, names latin1 collate latin1_bin, session sql_mode = 'ansi'",
              'create temporary table temporary_t (id int)',
              "select get_lock('spec', 1)",
              'use information_schema',
            ])
              await trx.raw(sql);
            throw new Error('what it did to its session stays');
          }),
        );
        const busy = failure(
          db.transaction(async (trx) => {
            // With this it would not come back to the pool.
            await trx.raw('set autocommit = 0');
            await trx.raw('select sleep(30)');
          }),
        );
        await stage.running('sleep(30)');
        const report = await db.resetConnection({ connections: 'recycle' });
        expect(report).to.include({ recycledConnections: 1, closedConnections: 0 });
        expect(await busy).to.be.an.instanceof(ResetError);
        expect(await idOf(db)).to.equal(id);
        expect((await db.raw(shown))[0][0]).to.deep.equal(fresh);
        expect(await failure(db.raw('select * from temporary_t'))).to.include({ code: 'ER_NO_SUCH_TABLE' });
      });

      it('sets the connection up as knex sets up a new one', async () => {
        const afterCreate = (connection: { query: (...args: unknown[]) => void }, done: (error?: unknown) => void) =>
          connection.query('set @x = 42', [], (error: unknown) => done(error));
        const db = stage.resettable(client, { pool: { afterCreate } });
        await db.raw('set @x = 1');
        expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 1 });
        expect((await db.raw('select @x as x'))[0][0].x).to.equal(42);
      });
    });

    describe('a connection that comes back', () => {
      it('is rolled back when a transaction was begun by hand', async () => {
        const db = stage.resettable(client, { pool: { max: 1 } });
        const id = await idOf(db);
        await db.raw('begin');
        await db('t').insert({ id: 1 });
        expect(await idOf(db)).to.equal(id);
        expect(await stage.transactions()).to.equal(0);
        expect(await stage.rows('select id from t')).to.deep.equal([{ id: 1 }]);
      });

      const giveBackAfter = async (db: Knex, ...statements: string[]) => {
        const raw = (await db.client.acquireConnection()) as { query(sql: string, done?: () => void): unknown };
        for (const sql of statements) raw.query(sql);
        await new Promise<void>((resolve) => void raw.query('select * from t', resolve));
        await db.client.releaseConnection(raw);
      };

      it('is rolled back when a transaction was begun by hand, without a callback', async () => {
        const db = stage.resettable(client, { pool: { max: 1 } });
        await giveBackAfter(db, 'begin');
        await db('t').insert({ id: 1 });
        expect(await stage.transactions()).to.equal(0);
        expect(await stage.rows('select id from t')).to.deep.equal([{ id: 1 }]);
      });

      it('is rolled back when autocommit was switched off, without a callback', async () => {
        const db = stage.resettable(client, { pool: { max: 1 } });
        await giveBackAfter(db, 'set autocommit = 0');
        await db.raw('do 0');
        expect(await stage.transactions()).to.equal(0);
      });

      it('is rolled back when autocommit was off and no transaction was begun', async () => {
        const db = stage.resettable(client, { pool: { max: 1 } });
        await db.raw('set autocommit = 0');
        await db('t').select();
        await db.raw('select 1');
        expect(await stage.transactions()).to.equal(0);
      });
    });

    describe('a transaction', () => {
      it('that DDL has committed ends as with plain knex', async () => {
        const commitByDdl = async (db: Knex) => {
          const result = await outcome(
            db.transaction(async (trx) => {
              await trx('t').insert({ id: 1 });
              await trx.raw('create or replace table made_by_ddl (id int)');
              await trx.transaction((inner) => inner('t').insert({ id: 2 }));
              return 'done';
            }),
          );
          const ids = await db('t').pluck('id').orderBy('id');
          await db('t').delete();
          return { result, ids, warnings: logOf(db).map(({ message }) => message) };
        };
        const plain = await commitByDdl(stage.knex(client));
        expect(plain.warnings.join()).to.include('implicitly committed');
        expect(plain.result).to.deep.equal({ value: 'done' });
        expect(await commitByDdl(stage.resettable(client))).to.deep.equal(plain);
      });

      if (client === 'mysql2')
        it('whose query timed out in the driver is rolled back at once: the query is stopped', async () => {
          const db = stage.resettable(client);
          const start = performance.now();
          const error = await failure(
            db.transaction(async (trx) => {
              await trx('t').insert({ id: 1 });
              await trx.raw('select sleep(30)').options({ timeout: 100 });
            }),
          );
          expect(error).to.include({ code: 'PROTOCOL_SEQUENCE_TIMEOUT' });
          expect(performance.now() - start).to.be.below(3000);
          expect(await db('t').select()).to.deep.equal([]);
          expect((await stage.processes()).filter(({ info }) => info?.includes('sleep'))).to.deep.equal([]);
        });

      it('that a deadlock has rolled back never looks committed', async () => {
        const db = stage.resettable(client);
        await db('t').insert([{ id: 1 }, { id: 2 }]);
        const errors: unknown[] = [];
        let holders = 0;
        const cross = (first: number, second: number) =>
          outcome(
            db.transaction(async (trx) => {
              await trx('t').where({ id: first }).update({ value: first });
              holders++;
              await until('both hold a row', () => holders === 2);
              await trx('t')
                .where({ id: second })
                .update({ value: first })
                .catch((error: unknown) => errors.push(error));
              await trx('t')
                .insert({ id: 10 + first })
                .catch(() => {});
            }),
          );
        const results = await Promise.all([cross(1, 2), cross(2, 1)]);
        expect(errors).to.have.length(1);
        const failed = results.filter(({ error }) => error !== undefined);
        expect(failed).to.have.length(1);
        expect(failed[0]?.error).to.be.an.instanceof(TransactionFailedError).with.property('cause', errors[0]);
        const victim = results[0] === failed[0] ? 1 : 2;
        const survivor = 3 - victim;
        expect(await db('t').select('id', 'value').orderBy('id')).to.deep.equal([
          { id: 1, value: survivor },
          { id: 2, value: survivor },
          { id: 10 + survivor, value: 0 },
        ]);
      });

      it('whose connection is killed from outside rejects at once', async () => {
        const db = stage.resettable(client);
        const transaction = watch(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
        await until('it is open', async () => (await stage.transactions()) === 1);
        const [thread] = await stage.processes();
        await stage.kill(thread?.id as number);
        await until('it is told', () => transaction.state !== 'pending');
        expect(transaction.error).to.include({ code: 'PROTOCOL_CONNECTION_LOST' });
        expect(db.connectionState()).to.deep.include({ transactions: [] });
        expect(await db('t').select()).to.deep.equal([]);
      });
    });

    it('drops an idle connection that was killed from outside', async () => {
      const db = stage.resettable(client);
      const id = await idOf(db);
      await stage.kill(id);
      await until('it is noticed', () => db.connectionState().connections.idle === 0);
      expect(await idOf(db)).to.not.equal(id);
    });

    it('rejects a stream whose connection was killed', async () => {
      const db = stage.resettable(client);
      const reading = failure(drain(db.raw('select sleep(30) from seq_1_to_10').stream()));
      const [id] = await stage.running('sleep(30)');
      await stage.kill(id as number);
      expect((await reading).code).to.be.oneOf([
        'PROTOCOL_CONNECTION_LOST',
        'ER_CONNECTION_KILLED',
        'ER_QUERY_INTERRUPTED',
      ]);
      expect((await db.raw('select 1 as one'))[0][0].one).to.equal(1);
    });

    it('bounds destroy()', async () => {
      const db = stage.resettable(client, {}, { timeoutMillis: 300 });
      const transaction = failure(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
      await until('it is open', async () => (await stage.transactions()) === 1);
      const start = performance.now();
      await db.destroy();
      expect(performance.now() - start).to.be.within(250, 2500);
      expect(await transaction).to.be.an.instanceof(ResetError);
      await stage.whenDeserted();
      await nextTurn();
    });

    it('shows no password and no binding', async () => {
      const db = stage.resettable(client);
      const query = failure(db.raw('select sleep(30), ?', ['binding']));
      await stage.running('sleep(30)');
      const report = await db.resetConnection();
      const error = await query;
      const text = JSON.stringify([report, Object.entries(error), error.message, error.stack]);
      expect(text).to.not.include('secret');
      expect(text).to.not.include("binding'");
    });
  });
}

async function drain(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const row of rows) void row;
}

/** Accepts connections, and says nothing. */
class Silent {
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  static async start(): Promise<Silent> {
    const silent = new Silent();
    await once(silent.#server, 'listening');
    return silent;
  }

  private constructor() {
    this.#server = createServer((socket) => {
      this.sockets.add(socket.resume());
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    }).listen(0, '127.0.0.1');
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
