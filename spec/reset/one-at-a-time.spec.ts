// How resets meet each other, and those who ask while one runs.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, nextTurn, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();

  /** Two idle connections. */
  async function openTwo(db: ResettableKnex): Promise<void> {
    const handles = await Promise.all([db.transaction(), db.transaction()]);
    await Promise.all(handles.map((handle) => handle.commit()));
  }

  /** A reset that recycles two connections. One of them is back in the pool; the hook of the other ends when it is told to. */
  async function recyclingTwo(timeoutMillis?: number) {
    const waiting: (() => void)[] = [];
    let isRecycling = false;
    const afterCreate = (_: unknown, done: () => void) => (isRecycling ? void waiting.push(done) : done());
    const db = stage.resettable({ pool: { afterCreate } });
    await openTwo(db);
    isRecycling = true;
    const reset = db.resetConnection({ connections: 'recycle', timeoutMillis });
    await until('both are cleaned', () => waiting.length === 2);
    waiting[0]?.();
    await nextTurn();
    return { db, reset, endHook: () => waiting[1]?.() };
  }

  describe('while another reset runs', () => {
    it('shares its teardown and its report', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const resets = [db.resetConnection({ reason: 'first' }), db.resetConnection({ reason: 'second' })];
      await nextTurn();
      resets.push((db.withUserParams({}) as ResettableKnex).resetConnection({ connections: 'close' }));
      const [first, second, third] = await Promise.all(resets);
      expect(second).to.equal(first);
      expect(third).to.equal(first);
      expect(first).to.include({ reason: 'first', generation: 1, closedConnections: 1 });
      expect(db.connectionState().generation).to.equal(1);
    });

    it('closes every connection if one of the calls does', async () => {
      const db = stage.resettable();
      await openTwo(db);
      const [first, second] = await Promise.all([
        db.resetConnection({ connections: 'recycle' }),
        db.resetConnection({ connections: 'close' }),
      ]);
      expect(second).to.equal(first);
      expect(first).to.include({ closedConnections: 2, recycledConnections: 0, forcedConnections: 0 });
      expect(await stage.database.backends()).to.be.empty;
    });

    it('closes also what is recycled when such a call joins', async () => {
      const { db, reset, endHook } = await recyclingTwo();
      const second = db.resetConnection();
      endHook();
      expect(await second).to.equal(await reset);
      expect(await second).to.include({ closedConnections: 2, recycledConnections: 0, forcedConnections: 0 });
      expect(await stage.database.backends()).to.be.empty;
    });

    it('closes at once what is recycled, and what is being cleaned, when such a call joins', async () => {
      const { db, reset } = await recyclingTwo(60_000);
      const second = db.resetConnection({ timeoutMillis: 60_000 });
      await until('both are closed', async () => (await stage.database.backends()).length === 0);
      expect(await second).to.equal(await reset);
      expect(await second).to.include({ closedConnections: 2, recycledConnections: 0, forcedConnections: 0 });
    });

    it('still rejects bad arguments', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const reset = db.resetConnection();
      expect(await failure(db.resetConnection({ graceMillis: -1 }))).to.be.an.instanceof(TypeError);
      expect(await reset).to.include({ generation: 1 });
    });

    it('starts anew once that one has ended', async () => {
      const db = stage.resettable();
      for (const generation of [1, 2, 3]) {
        await db.raw('select 1');
        expect(await db.resetConnection()).to.include({ generation, closedConnections: 1 });
      }
    });
  });

  describe('while a reset runs', () => {
    it('shows it in connectionState()', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const reset = db.resetConnection();
      expect(db.connectionState().resetting).to.be.true;
      await reset;
      expect(db.connectionState().resetting).to.be.false;
    });

    it('makes a query wait, which then opens a new connection', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const trx = await db.transaction();
      const stopped = failure(trx.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      proxy.freeze();
      const reset = watch(db.resetConnection());
      const query = watch(db.raw('select 1 as one'));
      const transaction = watch(db.transaction(async (later) => (await later.raw('select 2 as two')).rows));
      await until('they wait', () => db.connectionState().connections.waiting === 2);
      expect([reset.state, query.state]).to.deep.equal(['pending', 'pending']);
      proxy.thaw();
      await until('they are served', () => transaction.value && query.value);
      expect(reset.state).to.equal('resolved');
      expect(query.value?.rows).to.deep.equal([{ one: 1 }]);
      expect(await stopped).to.be.an.instanceof(ResetError);
      await failure(trx.executionPromise);
    });

    it('never shows the server the old pool and the new one side by side', async () => {
      const db = stage.resettable({ pool: { max: 4 } });
      for (let round = 0; round < 15; round++) {
        const olds = Array.from({ length: 4 }, () => failure(db.raw('select pg_sleep(30)')));
        const oldPids = await stage.running('pg_sleep', 4);
        const reset = db.resetConnection();
        // Asked while it runs: whoever sees an old backend from its new connection has found both.
        const { rows } = await db.raw('select pid from pg_stat_activity where datname = current_database()');
        expect(rows.filter(({ pid }: { pid: number }) => oldPids.includes(pid))).to.be.empty;
        await Promise.all([reset, ...olds]);
        await db.resetConnection();
      }
    });
  });

  describe('of two instances', () => {
    it('resets only the one it is called on', async () => {
      const [one, other] = [stage.resettable(), stage.resettable()] as const;
      const trx = await other.transaction();
      const pid = (await trx.raw('select pg_backend_pid() as pid')).rows[0].pid as number;
      await one.raw('select 1');
      const report = await one.resetConnection();
      expect(report.closedConnections).to.equal(1);
      expect((await trx.raw('select pg_backend_pid() as pid')).rows).to.deep.equal([{ pid }]);
      await trx.commit();
      expect(other.connectionState().generation).to.equal(0);
    });

    it('can reset both at once', async () => {
      const [one, other] = [stage.resettable(), stage.resettable()] as const;
      await Promise.all([one.raw('select 1'), other.raw('select 1')]);
      const [first, second] = await Promise.all([one.resetConnection(), other.resetConnection()]);
      expect(first).not.to.equal(second);
      expect(await stage.database.backends()).to.be.empty;
    });
  });

  describe('inside a block', () => {
    it('aborts that block too, which rejects with what it threw', async () => {
      const db = stage.resettable();
      const own = new Error('the block’s own');
      const transaction = failure(
        db.transaction(async (trx) => {
          try {
            await trx.raw('select 1');
            throw own;
          } catch (error) {
            const report = await db.resetConnection();
            expect(report.abortedTransactions).to.have.lengthOf(1);
            throw error;
          }
        }),
      );
      expect(await transaction).to.equal(own);
      expect(await stage.database.backends()).to.be.empty;
    });

    it('does the same for db.atomic()', async () => {
      const db = stage.resettable();
      const own = new Error('the block’s own');
      const block = db.atomic(async (trx) => {
        await trx.raw('select 1');
        await db.resetConnection();
        throw own;
      });
      expect(await failure(block)).to.equal(own);
    });

    it('rejects the block with ResetError when it returns', async () => {
      const db = stage.resettable();
      const transaction = db.transaction(async (trx) => {
        await trx.raw('select 1');
        await db.resetConnection();
      });
      expect(await failure(transaction)).to.be.an.instanceof(ResetError);
    });
  });
});
