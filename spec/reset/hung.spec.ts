// That a reset stays within its bound, and how it gets through, where a connection does not answer.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, never, watch } from '../support/outcome';
import { whyNoSignals } from '../support/signals';
import { NOTHING, useStage } from '../support/stage';
import { describeUnless } from '../support/unless';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  /** How late timers and the like may make it. */
  const SLACK = 1000;

  describeUnless(whyNoSignals(), 'while a backend is frozen', () => {
    /** Stops the backends of this database; the server is a child of this process or of one like it, on this machine. */
    async function frozen(pids: number[], work: () => Promise<void>): Promise<void> {
      try {
        for (const pid of pids) process.kill(pid, 'SIGSTOP');
        await work();
      } finally {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
        await until('the thawed backends are gone', async () => {
          const left = await stage.database.backends();
          return left.every(({ pid }) => !pids.includes(pid));
        });
      }
    }

    it('stays within its bound, reports the connection as forced, and the instance still works', async () => {
      const db = stage.resettable();
      const query = failure(db.raw('select pg_sleep(30)'));
      const pids = await stage.running('pg_sleep');
      await frozen(pids, async () => {
        const start = performance.now();
        const before = sockets();
        const report = await db.resetConnection({ timeoutMillis: 600 });
        expect(performance.now() - start).to.be.below(600 + SLACK);
        expect(report).to.include({ closedConnections: 1, forcedConnections: 1 });
        await until('its socket is closed', () => sockets() === before - 1);
        expect(await query).to.be.an.instanceof(ResetError);
        expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });
    });

    it('closes the other connections in the usual way', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      const [idle] = await stage.database.backends();
      const query = failure(db.raw('select pg_sleep(30)'));
      const pids = await stage.running('pg_sleep');
      await frozen(pids, async () => {
        const report = await db.resetConnection({ timeoutMillis: 600 });
        expect(report).to.include({ closedConnections: 2, forcedConnections: 1 });
        expect((await stage.database.backends()).map(({ pid }) => pid)).not.to.include(idle!.pid);
      });
      await Promise.all([query, failure(trx.executionPromise)]);
    });
  });

  describe('while a socket is half open', () => {
    it('stays within its bound, reports the connection as forced, and the instance still works', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const transaction = failure(db.transaction((trx) => trx('t').insert({ id: 2 }).then(never)));
      await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
      proxy.mode = 'blackhole';
      const start = performance.now();
      const report = await db.resetConnection({ timeoutMillis: 600 });
      expect(performance.now() - start).to.be.below(600 + SLACK);
      expect(report).to.include({ closedConnections: 1, forcedConnections: 1 });
      expect(await transaction).to.be.an.instanceof(ResetError);
      proxy.mode = 'pass';
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });

    it('terminates the backend when only its own link is dead', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const trx = await db.transaction();
      const fault = proxy.swallowAnswersAfter('lock table t');
      const query = failure(trx.raw('lock table t'));
      await until('it is locked', async () => fault.hits === 1 && (await stage.database.locks()).length > 0);
      const report = await db.resetConnection({ timeoutMillis: 1500 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report).to.include({ forcedConnections: 1 });
      expect(report.durationMillis).to.be.below(1500 + SLACK);
      await Promise.all([query, failure(trx.executionPromise)]);
    });

    it('terminates a backend that ignores cancel requests', async () => {
      const db = stage.resettable();
      // It catches each cancel and goes on: only a termination ends it.
      const stubborn = `do $$ begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$`;
      const query = failure(db.raw(stubborn));
      await stage.running('query_canceled');
      const report = await db.resetConnection({ timeoutMillis: 1500 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report).to.include({ closedConnections: 1, forcedConnections: 1 });
      expect(await query).to.be.an.instanceof(ResetError);
    });
  });

  describe('while a backend still works for a socket that broke', () => {
    afterEach(async () => {
      for (const { pid } of await stage.database.backends()) await stage.database.terminate(pid);
    });

    it('terminates the backend, which frees its locks', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const trx = await db.transaction();
      await trx.raw('lock table t');
      const query = failure(trx.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      proxy.reset(); // of which a backend that sleeps does not hear
      await Promise.all([query, failure(trx.executionPromise)]);
      await db.resetConnection({ timeoutMillis: 1500 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('does the same for a query outside a transaction', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const query = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      proxy.reset();
      await query;
      await db.resetConnection({ timeoutMillis: 1500 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while the server accepts no connection', () => {
    it('stays within its bound when neither cancel nor termination reaches the server', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const query = watch(db.raw('select pg_sleep(30)'));
      const [pid] = await stage.running('pg_sleep');
      proxy.mode = 'blackhole-up';
      const start = performance.now();
      const report = await db.resetConnection({ timeoutMillis: 450 });
      expect(performance.now() - start).to.be.below(450 + SLACK);
      expect(report.forcedConnections).to.equal(1);
      expect(query.error).to.be.an.instanceof(ResetError);
      await stage.database.terminate(pid!);
    });
  });

  describe('with many connections that do not answer', () => {
    it('takes the bound once, not once for each connection', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy, pool: { max: 8 } });
      const queries = Array.from({ length: 8 }, () => failure(db.raw('select pg_sleep(30)')));
      const pids = await stage.running('pg_sleep', 8);
      proxy.mode = 'blackhole';
      const start = performance.now();
      const report = await db.resetConnection({ timeoutMillis: 450 });
      expect(performance.now() - start).to.be.below(450 + SLACK);
      expect(report).to.include({ closedConnections: 8, forcedConnections: 8, abortedQueries: 8 });
      await Promise.all(queries);
      for (const pid of pids) await stage.database.terminate(pid);
    });
  });

  it('takes the bound of the instance when none is given', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy }, { timeoutMillis: 300 });
    await db.raw('select 1');
    proxy.mode = 'blackhole';
    const start = performance.now();
    await db.resetConnection();
    expect(performance.now() - start).to.be.within(50, 300 + SLACK);
  });

  /** Open sockets of this process. */
  function sockets(): number {
    return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap' || kind === 'PipeWrap').length;
  }
});
