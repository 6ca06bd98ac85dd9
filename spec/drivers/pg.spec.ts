// What the pg driver makes of a connection: the tap, the status, and the ways to stop what its backend runs.
import { once } from 'node:events';
import { expect } from 'chai';
import { Client } from 'pg';
import QueryStream from 'pg-query-stream';
import type { PendingStatement } from '../../lib/drivers/pending-statement';
import type { StatementSink } from '../../lib/drivers/statement-sink';
import { pgDriver } from '../../lib/drivers/pg/pg';
import type { PgConnection } from '../../lib/drivers/pg/client';
import type { FaultProxy } from '../support/fault-proxy';
import { failure, millisOf, outcome } from '../support/outcome';
import { sizesOn } from '../support/sizes-on';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('the pg driver', () => {
  const stage = useStage();
  let connection: PgConnection;
  const extra: PgConnection[] = [];

  beforeEach(async () => {
    connection = await connect();
  });
  afterEach(async () => {
    for (const each of extra.splice(0)) await (each as unknown as Client).end().catch(() => {});
  });

  async function connect(through?: FaultProxy): Promise<PgConnection> {
    const { connection: to, observer } = stage.database;
    // Which stream factory a client has is known of those alone that a pool has opened: this one goes to the address.
    const { stream: _, ...byAddress } = {
      stream: undefined,
      ...to,
      host: to.host ?? observer.host,
      port: to.port ?? observer.port,
    };
    const client = new Client(through ? through.through(byAddress) : byAddress);
    client.on('error', () => {});
    await client.connect();
    extra.push(client as unknown as PgConnection);
    return client as unknown as PgConnection;
  }

  /** A line that lets one statement after the other start, as the pool's does, and notes what it hears. */
  class NotingLine implements StatementSink {
    readonly refusal = undefined;
    readonly heard: string[] = [];
    readonly statements: PendingStatement[] = [];

    ask(statement: PendingStatement): void {
      this.heard.push(`ask ${statement.sql}`);
      this.statements.push(statement);
      if (this.statements.length === 1) statement.start();
    }

    answered(error: unknown, _result: unknown, ready: Promise<void> | undefined): unknown {
      this.statements.shift();
      this.heard.push(error ? `failed ${(error as { code?: string }).code}` : 'answered');
      void ready?.then(() => this.heard.push('ready'));
      return error;
    }

    next(): void {
      this.statements[0]?.start();
    }

    died(error: Error & { code?: string }): void {
      this.heard.push(`died ${error.code ?? error.message}`);
    }

    ended(): void {
      this.heard.push('ended');
    }
  }

  describe('tap()', () => {
    it('passes every kind of statement through the queue, one at a time', async () => {
      const line = new NotingLine();
      pgDriver.tap(connection, line);
      const client = connection as unknown as Client;
      const answers = Promise.all([
        client.query('select 1'),
        client.query({ text: 'select $1::int', values: [2] }),
        client.query('select $1::int', [3]),
        new Promise((resolve) => connection.query('select 4', resolve as never)),
        new Promise((resolve) => connection.query({ text: 'select $1::int' }, [5], resolve as never)),
      ]);
      expect(line.statements).to.have.lengthOf(5);
      await answers;
      expect(line.heard.filter((each) => each === 'answered')).to.have.lengthOf(5);
      expect(line.heard[0]).to.equal('ask select 1');
    });

    it('remembers what the server said for as long as one listens, and not in the next tap', async () => {
      const client = connection as unknown as Client;
      const [untapFirst, untapSecond] = [
        pgDriver.tap(connection, new NotingLine()),
        pgDriver.tap(connection, new NotingLine()),
      ];
      await client.query('commit');
      untapSecond();
      expect(pgDriver.endHeard?.(connection)).to.equal('committed');
      untapFirst();
      pgDriver.tap(connection, new NotingLine());
      expect(pgDriver.endHeard?.(connection)).to.equal(undefined);
    });

    it('keeps of a script no more than the ends of its transactions', async () => {
      pgDriver.tap(connection, new NotingLine());
      const client = connection as unknown as Client;
      await client.query('select 1');
      const afterOne = sizesOn(connection.connection);
      await client.query('select 1;'.repeat(20));
      expect(sizesOn(connection.connection)).to.deep.equal(afterOne);
      await client.query('begin; commit; select 1;'.repeat(3));
      expect(pgDriver.endHeard?.(connection)).to.equal('committed');
    });

    it('takes a script with many ends no longer than it is', async function () {
      // A list that was copied for each of them took twenty seconds.
      this.timeout(10_000);
      pgDriver.tap(connection, new NotingLine());
      await (connection as unknown as Client).query('begin; commit;'.repeat(50_000));
      expect(pgDriver.endHeard?.(connection)).to.equal('committed');
    });

    it('says when the connection is ready after an error', async () => {
      const line = new NotingLine();
      pgDriver.tap(connection, line);
      expect(await failure((connection as unknown as Client).query('select 1/0'))).to.include({ code: '22012' });
      await until('it is ready', () => line.heard.includes('ready'));
      expect(line.heard).to.deep.equal(['ask select 1/0', 'failed 22012', 'ready']);
    });

    it('passes streams through it, to their end', async () => {
      const line = new NotingLine();
      pgDriver.tap(connection, line);
      const stream = new QueryStream('select n from generate_series(1, 250) n');
      expect(connection.query(stream as never)).to.equal(stream);
      let count = 0;
      for await (const row of stream) count += row ? 1 : 0;
      expect(count).to.equal(250);
      await until('it is answered', () => line.heard.length === 2);
      expect(line.heard).to.deep.equal(['ask select n from generate_series(1, 250) n', 'answered']);
    });

    it('takes a running statement as the first one', async () => {
      const running = outcome((connection as unknown as Client).query('select pg_sleep(0.05), 1 as one'));
      const line = new NotingLine();
      pgDriver.tap(connection, line);
      expect(line.statements).to.have.lengthOf(1);
      expect((await running).value?.rows).to.deep.equal([{ pg_sleep: '', one: 1 }]);
      await until('it is answered', () => line.heard.includes('answered'));
      expect(line.statements).to.be.empty;
    });

    it('reports the death and the end of the connection', async () => {
      const line = new NotingLine();
      pgDriver.tap(connection, line);
      await stage.database.terminate(connection.processID as number);
      await until('it has ended', () => line.heard.includes('ended'));
      expect(line.heard[0]).to.equal('died 57P01');
      expect(pgDriver.isGone(connection)).to.be.true;
    });

    it('can be undone: the connection is as it was', async () => {
      const { query } = connection;
      const listeners = connection.eventNames().map((event) => connection.listenerCount(event));
      const untap = pgDriver.tap(connection, new NotingLine());
      expect(connection.query).not.to.equal(query);
      untap();
      expect(connection.query).to.equal(query);
      expect(Object.hasOwn(connection, 'query')).to.be.false;
      expect(connection.eventNames().map((event) => connection.listenerCount(event))).to.deep.equal(listeners);
    });
  });

  describe('status()', () => {
    it('follows the transaction', async () => {
      const seen: string[] = [];
      for (const sql of ['select 1', 'begin', 'select 1/0', 'rollback']) {
        await outcome((connection as unknown as Client).query(sql));
        if (!connection.readyForQuery) await once(connection, 'drain');
        seen.push(pgDriver.status(connection));
      }
      expect(seen).to.deep.equal(['idle', 'open', 'failed', 'idle']);
    });
  });

  describe('cancel()', () => {
    it('stops what the backend runs, over a connection of its own that is closed afterwards', async () => {
      const proxy = await stage.proxy();
      const through = await connect(proxy);
      const query = failure((through as unknown as Client).query('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      await pgDriver.cancel?.(through, 1000);
      expect(await query).to.include({ code: '57014' });
      await until('its link is gone', () => proxy.accepted === 2 && proxy.connections === 1);
    });

    it('is bounded when there is no answer', async () => {
      const proxy = await stage.proxy();
      const through = await connect(proxy);
      proxy.mode = 'blackhole';
      const start = performance.now();
      await pgDriver.cancel?.(through, 50);
      expect(performance.now() - start).to.be.within(40, 2000);
    });
  });

  describe('openSideConnection()', () => {
    it('terminates a backend, says when it has ended, and leaves nothing once it is closed', async () => {
      const query = failure((connection as unknown as Client).query('select pg_sleep(30)'));
      const [pid] = await stage.running('pg_sleep');
      const spare = pgDriver.openSideConnection?.(connection);
      const session = { id: pid!, ageMillis: 0, sparesCommit: false };
      await until('it is gone', async () => (await spare?.terminate([session]))?.length === 0);
      expect((await stage.database.backends()).map((backend) => backend.pid)).not.to.include(pid);
      await spare?.close(500);
      expect(await stage.database.backends()).to.be.empty;
      await query;
    });

    it('can be closed while it does not reach the server', async () => {
      const proxy = await stage.proxy();
      const through = await connect(proxy);
      proxy.mode = 'blackhole';
      const spare = pgDriver.openSideConnection?.(through);
      void spare?.terminate([{ id: 1, ageMillis: 0, sparesCommit: false }]).catch(() => {});
      const start = performance.now();
      await spare?.close(50);
      expect(performance.now() - start).to.be.below(2000);
    });
  });

  describe('observeOpening()', () => {
    it('reports a connection from its creation to its end', async () => {
      const openings = new Set<PgConnection>();
      const module = pgDriver.observeOpening?.({ Client }, openings) as { Client: typeof Client };
      const client = new module.Client(stage.database.connection);
      expect(client).to.be.an.instanceof(Client);
      expect([...openings]).to.deep.equal([client]);
      await client.connect();
      await client.end();
      await until('it is forgotten', () => openings.size === 0);
    });
  });

  describe('saysRolledBack()', () => {
    it('reads it from the answer to a COMMIT', async () => {
      const client = connection as unknown as Client;
      await client.query('begin');
      expect(pgDriver.saysRolledBack?.(await client.query('commit'))).to.be.false;
      await client.query('begin');
      await outcome(client.query('select 1/0'));
      expect(pgDriver.saysRolledBack?.(await client.query('commit'))).to.be.true;
    });
  });

  it('sends one statement at a time, and hears how a block ends, where pg would send all at once', async () => {
    await stage.database.query('create table piped (id int)');
    const db = stage.resettable({ connection: { ...stage.database.connection, pipeline: true } as object });
    const ended = db.atomic(async (trx) => {
      await trx('piped').insert({ id: 1 });
      await trx.raw('rollback');
      await trx('piped').insert({ id: 2 });
    });
    expect(await failure(ended)).to.include({ code: 'ERR_BLOCK_CONTROL' });
    expect(await stage.database.query('select id from piped')).to.deep.equal([]);
    const late = failure(db.atomic((trx) => trx.raw('select pg_sleep(30)'), { timeoutMillis: 100 }));
    expect(await millisOf(late)).to.be.below(2000);
    expect(await late).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
  });
});
