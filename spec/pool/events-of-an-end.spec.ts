// What listeners of `knex.client.pool` hear of the end of connections, and of the pool's: with destroy() the same as on plain knex.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, never, nextTurn, outcome } from '../support/outcome';
import { hearPool, only } from '../support/pool-events';
import { whyNoValidate } from '../support/quiet-knex';
import { type ResettableKnex, type StageConfig, useStage } from '../support/stage';
import { itUnless } from '../support/unless';
import { until } from '../support/until';

const ENDS = ['destroyRequest', 'destroySuccess', 'destroyFail'];
const POOL_ENDS = ['poolDestroyRequest', 'poolDestroySuccess'];

describe('the events of knex.client.pool', () => {
  const stage = useStage();

  /** Two idle connections. */
  async function two(db: Knex): Promise<void> {
    const lent: object[] = [await db.client.acquireConnection(), await db.client.acquireConnection()];
    for (const raw of lent) await db.client.releaseConnection(raw);
  }

  async function backendOf(db: Knex): Promise<number> {
    const { rows } = await db.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
    return rows[0].pid;
  }

  /** The server lets go of connections that are closed together in any order. */
  function inOrder(heard: string[]): string[] {
    const [first, last] = [heard.findIndex(isClosed), heard.findLastIndex(isClosed) + 1];
    return [...heard.slice(0, first), ...heard.slice(first, last).sort(), ...heard.slice(last)];
  }
  const isClosed = (line: string) => line.startsWith('destroySuccess');

  describe('are those of plain knex', () => {
    const works: Record<string, [work: (db: Knex) => Promise<unknown>, config?: StageConfig]> = {
      'for destroy() of an instance that was never used': [(db) => db.destroy()],
      'for destroy() with an idle connection': [(db) => db.raw('select 1').then(() => db.destroy())],
      'for destroy() with two idle connections': [(db) => two(db).then(() => db.destroy())],
      'for destroy() with a query under way': [
        async (db) => {
          const query = outcome(db.raw('select pg_sleep(0.1)'));
          await stage.running('pg_sleep');
          await Promise.all([query, db.destroy()]);
        },
      ],
      'for destroy() with a connection held by hand': [
        async (db) => {
          const raw: object = await db.client.acquireConnection();
          const destroyed = db.destroy();
          await nextTurn();
          await db.client.releaseConnection(raw);
          await destroyed;
        },
      ],
      'for destroy() of a copy, and then of the instance': [
        async (db) => {
          await db.raw('select 1');
          const copy = db.withUserParams({});
          await copy.destroy();
          await db.destroy();
        },
      ],
      'for a connection that was idle for too long': [
        async (db) => {
          let told = 0;
          db.client.pool.on('destroySuccess', () => told++);
          await db.raw('select 1');
          await until('it is told', () => told === 1);
          await db.destroy();
        },
        { pool: { idleTimeoutMillis: 20, reapIntervalMillis: 10 } },
      ],
    };
    for (const [title, [work, config]] of Object.entries(works)) {
      it(title, async () => {
        const seen: string[][] = [];
        for (const make of ['knex', 'resettable'] as const) {
          const db: Knex = stage[make](config);
          const heard = hearPool(db);
          await work(db);
          seen.push(inOrder(heard));
        }
        expect(seen[0]).to.include.members(POOL_ENDS.map((event) => seen[0]?.find((line) => line.startsWith(event))));
        expect(seen[1]).to.deep.equal(seen[0]);
      });
    }

    itUnless(whyNoValidate(), 'for a connection that does not pass pool.validate', async () => {
      const seen: string[][] = [];
      for (const make of ['knex', 'resettable'] as const) {
        let isStrict = false;
        const pool = { validate: () => !isStrict || ((isStrict = false), false) };
        const db: Knex = stage[make]({ pool: pool as Knex.PoolConfig });
        const heard = hearPool(db);
        await db.raw('select 1');
        isStrict = true;
        await db.raw('select 1');
        await until('the server has let go', async () => (await stage.database.backends()).length === 1);
        await until('it is told', () => only(heard, 'destroySuccess').length === 1);
        await db.destroy();
        // The server lets go of it before the next one is open, or after.
        seen.push([...heard].sort());
      }
      expect(seen[1]).to.deep.equal(seen[0]);
    });
  });

  describe('tell of each connection that is closed', () => {
    it('by a reset, idle or lent, once, and not of the pool’s end', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      await two(db);
      const trx = await db.transaction();
      const aborted = failure(trx.executionPromise);
      heard.length = 0;
      await db.resetConnection();
      await aborted;
      expect(
        only(heard, 'release', ...ENDS, ...POOL_ENDS)
          .sort()
          .join(', '),
      ).to.equal('destroyRequest A, destroyRequest B, destroySuccess A, destroySuccess B, release B');
      await db.raw('select 1');
      heard.length = 0;
      await db.destroy();
      expect(only(heard, ...ENDS, ...POOL_ENDS).join(', ')).to.equal(
        'poolDestroyRequest, destroyRequest C, destroySuccess C, poolDestroySuccess',
      );
    });

    it('by a reset, whose borrower gives it back later', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      const raw: object = await db.client.acquireConnection();
      await db.resetConnection();
      await db.client.releaseConnection(raw);
      expect(only(heard, 'release', ...ENDS)).to.deep.equal(['release A', 'destroyRequest A', 'destroySuccess A']);
    });

    it('with the number of the request, which no other event has', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      for (let generation = 0; generation < 3; generation++) {
        await db.raw('select 1');
        await db.resetConnection();
      }
      const numbers = (event: string) =>
        heard.filter((line) => line.startsWith(event)).map((line) => line.split(' ')[1]);
      expect(numbers('destroySuccess')).to.deep.equal(numbers('destroyRequest'));
      const requests = [...numbers('acquireRequest'), ...numbers('createRequest'), ...numbers('destroyRequest')];
      expect(new Set(requests)).to.have.property('size', 9);
    });

    it('with it where it has died while it was idle, and those that follow it', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      await two(db);
      await stage.database.terminate(await backendOf(db));
      await until('both are closed', () => only(heard, 'destroySuccess').length === 2);
      expect(
        only(heard, ...ENDS)
          .sort()
          .join(', '),
      ).to.equal('destroyRequest A, destroyRequest B, destroySuccess A, destroySuccess B');
    });

    it('after it has come back, where another has died', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      const trx = await db.transaction();
      await stage.database.terminate(await backendOf(db));
      await until('the idle one is closed', () => only(heard, 'destroySuccess').length === 1);
      await trx.commit();
      await until('the other is closed', () => only(heard, 'destroySuccess').length === 2);
      expect(only(heard, 'release', ...ENDS).join(', ')).to.equal(
        'release B, destroyRequest B, destroySuccess B, release A, destroyRequest A, destroySuccess A',
      );
    });

    it('because the borrow check got no answer', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable(
        { through: proxy },
        { checkIdleMillis: 0, checkTimeoutMillis: 50, timeoutMillis: 300 },
      );
      const heard = hearPool(db);
      await db.raw('select 1');
      const since = Date.now();
      await until('it was idle for a while', () => Date.now() > since + 1);
      proxy.freeze();
      const query = failure(db.raw('select 1'));
      await until('it is closed', () => only(heard, 'destroySuccess').length === 1);
      proxy.thaw();
      await db.resetConnection();
      await query.catch(() => {});
      expect(only(heard, ...ENDS).slice(0, 2)).to.deep.equal(['destroyRequest A', 'destroySuccess A']);
    });
  });

  describe('tell of one that is closed before the pool has it', () => {
    // The opening has ended by then, and the pool hears of it some microtasks later.
    for (const [what, close] of Object.entries({
      'a reset': (db: ResettableKnex) => db.resetConnection(),
      'destroy()': (db: ResettableKnex) => db.destroy(),
    })) {
      for (let ticks = 0; ticks <= 8; ticks++) {
        it(`by ${what} ${ticks} microtasks after its afterCreate`, async () => {
          let closed: Promise<unknown> | undefined;
          const afterCreate = (raw: object, done: (error: unknown, raw: object) => void) => {
            done(null, raw);
            closed = (async () => {
              for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
              await close(db);
            })();
          };
          const db: ResettableKnex = stage.resettable({ pool: { min: 0, max: 3, afterCreate } });
          const heard = hearPool(db);
          await outcome(db.raw('select 1'));
          await closed;
          await nextTurn();
          const ends = only(heard, 'createSuccess', ...ENDS);
          if (ends.length > 0) expect(ends).to.deep.equal(['createSuccess A', 'destroyRequest A', 'destroySuccess A']);
          else expect(only(heard, 'createFail')).to.have.lengthOf(1);
        });
      }
    }
  });

  it('tell as often of an end as of a beginning, whatever comes between', async () => {
    const db = stage.resettable({ pool: { max: 4 } }, { timeoutMillis: 1000 });
    const heard = hearPool(db);
    const work = () => [
      ...[db.raw('select 1'), db.raw('select pg_sleep(0.01)'), db.raw('select pg_sleep(10)')].map(outcome),
      outcome(db.transaction((trx) => trx.raw('select 1').then(never))),
      outcome(db.raw('select pg_terminate_backend(pg_backend_pid())')),
      outcome(db.transaction((trx) => trx.raw('commit; begin'))),
    ];
    for (const options of [{}, { graceMillis: 20 }, { connections: 'recycle' }, { waiting: 'requeue' }] as const) {
      const asked = work();
      await stage.running('pg_sleep(10)');
      await db.resetConnection(options);
      await Promise.all([db.resetConnection(), ...asked]);
      await db.raw('select 1');
    }
    const last = work();
    await stage.running('pg_sleep(10)');
    await Promise.all([db.destroy(), ...last]);
    const told = (event: string) => only(heard, event).map((line) => line.split(' ')[1]);
    expect(told('createSuccess')).to.have.lengthOf.above(10);
    expect(told('destroyRequest')).to.have.members(told('createSuccess'));
    expect(told('destroySuccess')).to.have.members(told('createSuccess'));
    expect(told('release')).to.have.members(told('acquireSuccess'));
  });

  describe('tell nothing of', () => {
    it('a connection that a reset has cleaned', async () => {
      const db = stage.resettable();
      const heard = hearPool(db);
      await two(db);
      await db.resetConnection({ connections: 'recycle' });
      expect(only(heard, ...ENDS, ...POOL_ENDS)).to.be.empty;
    });

    it('the closing of one whose opening has failed', async () => {
      const ends: string[][] = [];
      for (const make of ['knex', 'resettable'] as const) {
        const afterCreate = (_raw: object, done: (error: Error) => void) => done(new Error('no good'));
        const db: Knex = stage[make]({ pool: { afterCreate } });
        const heard = hearPool(db);
        await failure(db.raw('select 1'));
        await db.destroy();
        ends.push(only(heard, 'createFail', ...ENDS));
      }
      expect(ends).to.deep.equal([['createFail error'], ['createFail error']]);
    });
  });

  it('are not told of the pool’s end again when it ends once more, unless it was opened again', async () => {
    const db: ResettableKnex = stage.resettable();
    const copy = db.withUserParams({});
    const heard = hearPool(db);
    await Promise.all([db.destroy(), db.destroy()]);
    await copy.destroy();
    expect(only(heard, ...POOL_ENDS)).to.deep.equal(POOL_ENDS);
    await db.resetConnection();
    await db.destroy();
    expect(only(heard, ...POOL_ENDS)).to.deep.equal([...POOL_ENDS, ...POOL_ENDS]);
  });
});
