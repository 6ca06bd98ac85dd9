// Connections that are the user's: one of his own with a transaction of ours on it, and ours that he took by hand inside a transaction.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { ResetError, TransactionTimeoutError } from '../../lib';
import { asked, failure, millisOf, nextTurn, outcome } from '../support/outcome';
import { NOTHING, type ResettableKnex, type Stage } from '../support/stage';
import { until } from '../support/until';
import { storedIn, useTable } from './stage';

interface Raw {
  query(sql: string): Promise<unknown>;
}

/** A connection for each spec, which the user has opened. */
function useOwnConnection(stage: Stage): () => Client {
  let own: Client;
  beforeEach(async () => {
    own = new Client(stage.database.connection);
    await own.connect();
  });
  afterEach(() => own.end().catch(() => {}));
  return () => own;
}

describe('a transaction on a connection of the user’s own', () => {
  const stage = useTable();
  const own = useOwnConnection(stage);
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable();
  });

  for (const [what, sql] of [
    ['idle', 'select 1'],
    ['in a query', 'select pg_sleep(30)'],
  ] as const) {
    it(`is aborted by a reset, ${what}; the connection stays the user’s`, async () => {
      let isOpen = false;
      const transaction = outcome(
        db.transaction(
          async (trx) => {
            await trx('t').insert({ id: 1 });
            isOpen = true;
            await trx.raw(sql);
            await new Promise(() => {});
          },
          { connection: own() } as never,
        ),
      );
      await until('it is open', () => isOpen);
      if (what === 'in a query') await stage.running('pg_sleep');
      const report = await db.resetConnection({ timeoutMillis: 2000 });
      expect(report.abortedTransactions).to.have.lengthOf(1);
      expect((await transaction).error).to.be.instanceOf(ResetError);
      expect(await stage.database.locks()).to.deep.equal([]);
      expect(await storedIn(stage)).to.deep.equal([]);
      expect((await own().query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  }

  for (const [what, end] of [
    ['a reset', () => db.resetConnection({ timeoutMillis: 3000 })],
    ['destroy()', () => db.destroy()],
  ] as const) {
    it(`is ended on the server by ${what}, also where the user closes the connection as soon as he is told`, async () => {
      db = stage.resettable({}, { timeoutMillis: 1500 });
      const sleeping = db.transaction(
        async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(30)');
        },
        { connection: own() } as never,
      );
      const closed = outcome(sleeping.finally(() => own().end()));
      await stage.running('pg_sleep');
      await end();
      expect((await closed).error).to.be.instanceOf(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  }

  it('is over after a reset: that the user then ends the connection does not count as a death', async () => {
    const trx = await db.transaction(undefined, { connection: own() } as never);
    trx.executionPromise.catch(() => {});
    await db.resetConnection();
    const pid = async () => (await db.raw('select pg_backend_pid() as pid')).rows[0].pid;
    const before = await pid();
    await own().end();
    expect(await pid()).to.equal(before);
  });

  it('refuses what its handle asks after the reset', async () => {
    const trx = await db.transaction(undefined, { connection: own() } as never);
    trx.executionPromise.catch(() => {});
    await db.resetConnection();
    expect(await failure(trx('t').insert({ id: 1 }))).to.be.instanceOf(ResetError);
    expect(await failure(trx.commit())).to.be.instanceOf(ResetError);
    expect(await storedIn(stage)).to.deep.equal([]);
  });
});

describe('a transaction on a connection that is not the pool’s, while a reset runs', () => {
  const stage = useTable();
  const own = useOwnConnection(stage);
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable({ pool: { min: 0, max: 1 } }, { timeoutMillis: 1000 });
  });

  const stored = () => storedIn(stage);

  /** A transaction on it that ends by itself, or never. */
  async function open(isEndless = false): Promise<{ told: ReturnType<typeof outcome> }> {
    const told = outcome(
      db.transaction(
        async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(0.2)');
          if (isEndless) await new Promise(() => {});
          return 'stored';
        },
        { connection: own() } as never,
      ),
    );
    await stage.running('pg_sleep');
    return { told };
  }

  for (const [what, end] of [
    ['the grace of a reset', () => db.resetConnection({ graceMillis: 5000 })],
    ['destroy()', () => db.destroy()],
  ] as const) {
    it(`ends by itself in ${what}, which waits no longer`, async () => {
      const { told } = await open();
      expect(await millisOf(end())).to.be.below(900);
      expect(await told).to.deep.equal({ value: 'stored' });
      expect(await stored()).to.deep.equal([{ id: 1 }]);
    });
  }

  for (const [what, end] of [
    ['the grace of a reset', () => db.resetConnection({ graceMillis: 400 })],
    ['destroy()', () => db.destroy()],
  ] as const) {
    it(`is aborted after ${what}`, async () => {
      const { told } = await open(true);
      expect(await millisOf(end())).to.be.within(190, 2500);
      expect((await told).error).to.be.instanceOf(ResetError);
      expect(await stored()).to.deep.equal([]);
      expect((await own().query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  }

  const ask = () => db.transaction((trx) => trx('t').insert({ id: 2 }), { connection: own() } as never);

  /** A reset that lasts, and what it aborts. */
  async function lasting(): Promise<{ reset: Promise<unknown>; told: Promise<unknown> }> {
    const told = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    return { reset: db.resetConnection({ graceMillis: 300 }), told };
  }

  it('waits for its end when it was asked meanwhile', async () => {
    const { reset, told } = await lasting();
    let isOver = false;
    const over = reset.then(() => {
      isOver = true;
    });
    const asked = ask().then(() => expect(isOver).to.be.true);
    await Promise.all([over, asked, told]);
    expect(await stored()).to.deep.equal([{ id: 2 }]);
  });

  it('does not wait for destroy(), which waits for it', async () => {
    const { told } = await open();
    const destroyed = db.destroy();
    const other = new Client(stage.database.connection);
    await other.connect();
    const work = (trx: Knex.Transaction) => trx('t').insert({ id: 4 });
    await db.transaction(work, { connection: other } as never);
    expect(await told).to.deep.equal({ value: 'stored' });
    await destroyed;
    await other.end();
  });

  it('is rejected when another reset joins that', async () => {
    const { reset, told } = await lasting();
    const asked = failure(ask());
    await nextTurn();
    await Promise.all([reset, db.resetConnection({ reason: 'the second' }), told]);
    expect(await asked)
      .to.be.instanceOf(ResetError)
      .and.to.include({ reason: 'the second' });
    expect(await stored()).to.deep.equal([]);
  });

  for (const [waiting, rows] of [
    ['reject', []],
    ['requeue', [{ id: 2 }]],
  ] as const) {
    it(`is asked before another reset that begins when it goes on (${waiting})`, async () => {
      const { reset, told } = await lasting();
      let second: Promise<unknown> | undefined;
      let isOver = false;
      db.client.pool.on('acquireRequest', () => {
        second ??= db.resetConnection({ reason: 'the second', waiting }).then(() => {
          isOver = true;
        });
      });
      const transaction = outcome(ask().then(() => isOver));
      await nextTurn();
      const query = outcome(asked(db.raw('select 1')));
      await Promise.all([reset, told, query]);
      const { value, error } = await transaction;
      if (waiting === 'reject') expect(error).to.be.instanceOf(ResetError).and.to.include({ reason: 'the second' });
      else expect(value).to.equal(true);
      await second;
      expect(await stored()).to.deep.equal(rows);
    });
  }

  it('goes on in the grace when its connection was taken from the pool by hand', async () => {
    const raw = await db.client.acquireConnection();
    const reset = db.resetConnection({ graceMillis: 5000 });
    await db.transaction((trx) => trx('t').insert({ id: 3 }), { connection: raw } as never);
    await db.client.releaseConnection(raw);
    expect(await reset).to.include({ abortedQueries: 0 });
    expect(await stored()).to.deep.equal([{ id: 3 }]);
  });
});

describe('a raw connection taken inside a transaction', () => {
  const stage = useTable();

  /** Runs another transaction, while the holder of the raw connection asks something late. */
  async function next(db: ResettableKnex, raw: Raw): Promise<void> {
    await db.atomic(async (trx) => {
      await trx('t').insert({ id: 5 });
      await outcome(raw.query('insert into t values (99)'));
    });
    expect(await storedIn(stage)).to.deep.equal([{ id: 5 }]);
  }

  for (const [what, end] of [
    ['ran into its limit', undefined],
    ['was committed', 'commit'],
    ['was rolled back', 'rollback'],
  ] as const) {
    it(`is not lent again when that ${what}`, async () => {
      const db = stage.resettable({ pool: { min: 0, max: 1 } });
      let raw!: Raw;
      if (end) {
        const trx = await db.transaction();
        raw = (await (trx.client as typeof db.client).acquireConnection()) as Raw;
        await trx[end]();
      } else {
        const block = db.atomic(
          async (trx) => {
            raw = (await (trx.client as typeof db.client).acquireConnection()) as Raw;
            await new Promise(() => {});
          },
          { timeoutMillis: 100 },
        );
        expect(await failure(block)).to.be.instanceOf(TransactionTimeoutError);
      }
      await next(db, raw);
    });
  }

  it('is closed by a recycling reset', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    const raw = (await (trx.client as typeof db.client).acquireConnection()) as Raw;
    expect(await db.resetConnection({ connections: 'recycle' })).to.include({
      recycledConnections: 0,
      closedConnections: 1,
    });
    await next(db, raw);
  });

  it('is lent again when it was given back', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    await db.atomic(async (trx) => {
      const client = trx.client as typeof db.client;
      const raw = await client.acquireConnection();
      await client.releaseConnection(raw);
      await trx('t').insert({ id: 1 });
    });
    await db.raw('select 1');
    expect(await stage.database.backends()).to.have.lengthOf(1);
    expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
  });
});
