// That a reset with nothing to do does nothing, and that resets leave nothing behind however many there are.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();

  describe('where no connection was opened since the last reset', () => {
    it('sends nothing and opens nothing', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      await db.resetConnection();
      expect(proxy.accepted).to.equal(0);
      await db.raw('select 1');
      await db.resetConnection();
      await db.resetConnection();
      expect([proxy.accepted, proxy.connections]).to.deep.equal([1, 0]);
    });

    it('raises the generation, and reports nothing else', async () => {
      const db = stage.resettable();
      for (const generation of [1, 2]) {
        const { durationMillis, ...report } = await db.resetConnection({ reason: 'none' });
        expect(durationMillis).to.be.within(0, 50);
        expect(report).to.deep.equal({
          reason: 'none',
          generation,
          abortedTransactions: [],
          abortedQueries: 0,
          rejectedWaiters: 0,
          requeuedWaiters: 0,
          closedConnections: 0,
          recycledConnections: 0,
          forcedConnections: 0,
        });
      }
      expect(db.connectionState().generation).to.equal(2);
    });
  });

  describe('many times over', () => {
    it('leaves no timer, no handle, no listener and no backend', async function () {
      this.timeout(60_000);
      const db = stage.resettable({ pool: { max: 2 } });
      const round = async () => {
        const trx = await db.transaction();
        const left = failure(trx.executionPromise);
        await Promise.all([trx.raw('select 1'), db.raw('select 1')]);
        await db.resetConnection();
        await left;
      };
      for (let i = 0; i < 20; i++) await round();
      const before = await settledFootprint(db);
      for (let i = 0; i < 1000; i++) await db.resetConnection();
      for (let i = 0; i < 300; i++) await round();
      await until('nothing more is there than before', () => isDeepStrictEqual(footprint(db), before));
      expect(await stage.database.backends()).to.be.empty;
    });
  });

  describe('at the end of a script', () => {
    const ends: Record<string, string> = {
      'after a reset': 'await db.raw("select 1"); await db.resetConnection();',
      'after a reset that aborted a hanging transaction':
        'db.transaction((trx) => trx.raw("select 1").then(() => new Promise(() => {}))).catch(() => {}); await db.raw("select 1"); await db.resetConnection();',
      'after a reset with long bounds':
        'const trx = await db.transaction(); trx.executionPromise.catch(() => {}); await db.resetConnection({ timeoutMillis: 60000 });',
    };
    for (const [title, end] of Object.entries(ends)) {
      it(`lets the process exit by itself ${title}`, async () => {
        expect(await run(end)).to.deep.equal({ code: 0, output: 'done\n' });
      });
    }
  });

  /** Once no socket is about to close any more. */
  function settledFootprint(db: Parameters<typeof footprint>[0]): Promise<object> {
    return until('the footprint stays as it is', async () => {
      const found = footprint(db);
      await sleep(50);
      return isDeepStrictEqual(footprint(db), found) ? found : undefined;
    });
  }

  /** Handles and timers of the process, and listeners of the instance. */
  function footprint(db: { client: NodeJS.EventEmitter; listenerCount?: unknown }): object {
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    const listeners = [db.client, process].map((emitter) =>
      emitter.eventNames().map((event) => [String(event), emitter.listenerCount(event)]),
    );
    // mocha's own timer of the test comes and goes.
    return { ...resources, Immediate: 0, listeners };
  }

  function run(end: string): Promise<{ code: number | null; output: string }> {
    const script = `
      const { resettable } = require(${JSON.stringify(path.resolve(__dirname, '../../lib'))});
      const { makeKnex } = require(${JSON.stringify(path.resolve(__dirname, '../support/quiet-knex'))});
      const db = resettable(makeKnex(process.env.URL));
      (async () => { ${end}; console.log('done'); })();`;
    const env = { ...process.env, URL: stage.database.url };
    return new Promise((resolve) => {
      const options = { env, cwd: path.resolve(__dirname, '../..'), timeout: 8000 };
      const child = execFile(
        process.execPath,
        ['--require', 'tsx/cjs', '--eval', script],
        options,
        (_error, output) => {
          resolve({ code: child.exitCode, output });
        },
      );
    });
  }
});
