// A server that answers nothing any more, while a sandbox is open: every statement of this package's own is bounded, and so is close().
import { expect } from 'chai';
import type { Sandbox } from '../../lib';
import { defer } from '../../lib/words/waiting';
import type { FaultProxy } from '../support/fault-proxy';
import { millisOf, outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { useTables } from './stage';

const TIMEOUT_MILLIS = 1000;
/** Far more than a few steps of that, far less than for ever. */
const BOUND_MILLIS = 8000;

describe('a sandbox whose server has fallen silent', () => {
  const stage = useTables();
  let proxy: FaultProxy;
  let db: ResettableKnex;
  let sandbox: Sandbox;

  beforeEach(async () => {
    proxy = await stage.proxy();
    const config = { through: proxy, acquireConnectionTimeout: 1000, pool: { min: 0, max: 1 } };
    db = stage.resettable(config, { timeoutMillis: TIMEOUT_MILLIS });
    await db.raw('select 1');
    sandbox = await db.openSandbox();
    await db('t');
  });
  afterEach(async () => {
    expect(await millisOf(outcome(sandbox.close()))).to.be.below(BOUND_MILLIS);
    await until('its connection is not in use', () => db.connectionState().connections.inUse === 0);
  });

  /** What is begun while the server answers, and what ends it. */
  const ENDS: Record<string, () => Promise<() => Promise<unknown>>> = {
    'rollback() of a handle': async () => {
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      return () => trx.rollback();
    },
    'commit() of a handle': async () => {
      const trx = await db.transaction();
      trx.executionPromise.catch(() => {});
      await trx('t').insert({ id: 1 });
      return () => trx.commit();
    },
    'the end of a block': () => endOfBlock(() => {}),
    'the end of a block that fails': () =>
      endOfBlock(() => {
        throw new Error('no');
      }),
    'the end of a nested block': async () => {
      const [begun, go] = [defer(), defer()];
      const ended = outcome(
        db.atomic((outer) =>
          outer.atomic(async () => {
            begun.resolve();
            await go.promise;
          }),
        ),
      );
      await begun.promise;
      return () => {
        go.resolve();
        return ended;
      };
    },
    'the begin of a transaction': async () => () => db.transaction(),
    'a query, whose savepoint is renewed before it': async () => async () => db.raw('select 1'),
  };

  async function endOfBlock(end: () => void): Promise<() => Promise<unknown>> {
    const [begun, go] = [defer(), defer()];
    const ended = outcome(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        begun.resolve();
        await go.promise;
        end();
      }),
    );
    await begun.promise;
    return () => {
      go.resolve();
      return ended;
    };
  }

  for (const [what, begin] of Object.entries(ENDS)) {
    it(`settles ${what} in time`, async () => {
      const end = await begin();
      proxy.freeze();
      expect(await millisOf(outcome(end()))).to.be.below(BOUND_MILLIS);
    });
  }

  it('bounds close() with nothing under way', () => {
    proxy.freeze();
  });

  it('bounds close() with a query under way', async () => {
    const query = outcome(db.raw('select pg_sleep(60)'));
    await stage.running('pg_sleep');
    proxy.freeze();
    await sandbox.close().catch(() => {});
    expect(await query).to.have.property('error');
  });
});
