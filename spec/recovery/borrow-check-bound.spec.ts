// The borrow check of a connection that neither answers nor ends: replaced within `checkTimeoutMillis`, the pool going on meanwhile.
import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { ResetError, type ResettableOptions } from '../../lib';
import type { FaultProxy } from '../support/fault-proxy';
import { failure, watch } from '../support/outcome';
import { whyNoSignals } from '../support/signals';
import { type ResettableKnex, useStage } from '../support/stage';
import { describeUnless } from '../support/unless';
import { until } from '../support/until';
import { gone, idle, pidOf } from './stage';

const THRESHOLD = 10_000;
const BOUND = 150;
/** How late timers and the like may make it. */
const SLACK = 1000;

describe('the borrow check of a connection that does not answer', () => {
  const stage = useStage();
  let clock: SinonFakeTimers;
  let frozen: number[];

  beforeEach(() => {
    clock = useFakeTimers({ now: Date.now(), toFake: ['Date'] });
    frozen = [];
  });
  afterEach(async () => {
    clock.restore();
    for (const pid of frozen) signal(pid, 'SIGCONT');
  });

  function make(through: FaultProxy, options?: ResettableOptions, pool = {}): ResettableKnex {
    const limits = { checkIdleMillis: THRESHOLD, checkTimeoutMillis: BOUND, timeoutMillis: 400 };
    return stage.resettable({ through, pool }, { ...limits, ...options });
  }

  function signal(pid: number, name: NodeJS.Signals): void {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Stops a backend of this database: of a server on this machine that this user may stop. */
  function freeze(pid: number): void {
    process.kill(pid, 'SIGSTOP');
    frozen.push(pid);
  }

  function age(): void {
    clock.setSystemTime(Date.now() + THRESHOLD + 1);
  }

  async function millisOf(work: PromiseLike<unknown>): Promise<number> {
    const start = performance.now();
    await work;
    return performance.now() - start;
  }

  describe('yet, over a slow network', () => {
    it('lets a reset close it in an orderly way', async () => {
      const proxy = await stage.proxy();
      const db = make(proxy, { checkTimeoutMillis: 5000, timeoutMillis: 5000 });
      await idle(db, 1);
      age();
      proxy.delayMillis = 100;
      const earlier = proxy.accepted;
      const asked = failure(pidOf(db));
      await until('it is being checked', () => db.client.pool.numPendingValidations() === 1);
      const report = await db.resetConnection();
      expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
      expect(await asked).to.be.an.instanceof(ResetError);
      // The request to cancel the check, and no side connection to end its session.
      expect(proxy.accepted - earlier).to.be.at.most(1);
    });
  });

  describeUnless(whyNoSignals(), 'since its backend is frozen', () => {
    it('gives the borrower another within the bound', async () => {
      const db = make(await stage.proxy());
      const [pid] = await idle(db, 1);
      freeze(pid!);
      age();
      const asked = pidOf(db);
      expect(await millisOf(asked)).to.be.within(BOUND - 10, BOUND + SLACK);
      expect(await asked).not.to.equal(pid);
    });

    it('does not delay a borrower that can have another connection', async () => {
      const db = make(await stage.proxy());
      const [other, pid] = await idle(db, 2);
      freeze(pid!);
      age();
      const first = watch(pidOf(db));
      expect(await pidOf(db)).to.equal(other);
      expect(first.state).to.equal('pending');
      await until('the first has its answer', () => first.state === 'resolved');
      expect(first.value).not.to.equal(pid);
    });

    it('ends the backend once it is thawed', async () => {
      const db = make(await stage.proxy());
      const [pid] = await idle(db, 1);
      freeze(pid!);
      age();
      await pidOf(db);
      signal(pid!, 'SIGCONT');
      await gone(stage, [pid!]);
    });
  });

  describe('since its socket is half open', () => {
    /** Connections over a link that then goes silent, while new ones can be opened beside it. */
    async function halfOpen(count: number, options?: ResettableOptions, pool = {}) {
      const proxy = await stage.proxy();
      const fault = proxy.swallowAnswersAfter('SELECT 1', { times: count });
      const db = make(proxy, options, pool);
      const pids = await idle(db, count);
      age();
      return { db, pids, fault };
    }

    for (const onFatal of ['discard', 'evict'] as const) {
      it(`gives the borrower another within the bound, with onFatal '${onFatal}'`, async () => {
        const { db, pids, fault } = await halfOpen(1, { onFatal });
        const asked = pidOf(db);
        expect(await millisOf(asked)).to.be.within(BOUND - 10, BOUND + SLACK);
        expect(await asked).not.to.be.oneOf(pids);
        expect(fault.hits).to.equal(1);
      });
    }

    it('gives a borrower another on a pool of one', async () => {
      const { db, pids } = await halfOpen(1, {}, { max: 1 });
      const asked = [pidOf(db), pidOf(db)];
      expect(await millisOf(Promise.all(asked))).to.be.below(BOUND + SLACK);
      for (const each of asked) expect(await each).not.to.be.oneOf(pids);
    });

    it('takes the bound once for many connections', async () => {
      const { db, pids } = await halfOpen(5);
      const asked = pidOf(db);
      expect(await millisOf(asked)).to.be.within(BOUND - 10, BOUND + SLACK);
      expect(await asked).not.to.be.oneOf(pids);
    });

    it('takes the bound once for many borrowers', async () => {
      const { db } = await halfOpen(5);
      const asked = Promise.all(Array.from({ length: 10 }, () => pidOf(db)));
      expect(await millisOf(asked)).to.be.below(BOUND + SLACK);
    });

    it('leaves neither the connection in the pool nor its backend on the server', async () => {
      const { db, pids } = await halfOpen(3);
      await pidOf(db);
      await gone(stage, pids);
      await until('nothing is opened any more', () => db.connectionState().connections.opening === 0);
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0, waiting: 0 });
      expect([db.client.pool.numUsed(), db.client.pool.numFree()]).to.deep.equal([0, 1]);
    });

    it('does not delay a reset', async () => {
      const { db } = await halfOpen(1, { checkTimeoutMillis: 20_000 });
      const asked = failure(pidOf(db));
      await until('it is being checked', () => db.client.pool.numPendingValidations() === 1);
      const report = await db.resetConnection();
      expect(report.durationMillis).to.be.below(400 + SLACK);
      expect(await asked).to.be.an.instanceof(ResetError);
      await pidOf(db);
    });

    it('starts a reset when onFatal says so', async () => {
      const { db, pids } = await halfOpen(2, { onFatal: 'reset' });
      expect(await pidOf(db)).not.to.be.oneOf(pids);
      expect(db.connectionState().generation).to.equal(1);
    });
  });
});
