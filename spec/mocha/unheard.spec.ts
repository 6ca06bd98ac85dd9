// Which unhandled rejections the hooks keep from the test that runs.
import { AsyncResource } from 'node:async_hooks';
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { resetHooks } from '../../lib/mocha';
import { muteAborted, REASON } from '../../lib/test-hooks/unheard';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';

describe('muteAborted()', () => {
  /** Whether the listeners of the process hear of a rejection with this error. */
  function isHeard(error: unknown): boolean {
    const heard: unknown[] = [];
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', (reason) => void heard.push(reason));
    const unmute = muteAborted();
    try {
      (process.emit as (event: string, ...args: unknown[]) => boolean)('unhandledRejection', error, Promise.resolve());
    } finally {
      unmute();
      process.removeAllListeners('unhandledRejection');
      for (const each of listeners) process.on('unhandledRejection', each);
    }
    return heard.length > 0;
  }

  const ours = () => new ResetError({ reason: REASON, generation: 1 });

  it('mutes what the hooks have aborted, also as a cause', () => {
    expect(isHeard(ours())).to.equal(false);
    expect(isHeard(new Error('the app’s', { cause: ours() }))).to.equal(false);
    expect(isHeard(new ResetError({ reason: 'the app’s', generation: 1 }))).to.equal(true);
  });

  it('ends at errors that are the cause of each other', () => {
    const one = new Error('one');
    one.cause = new Error('other', { cause: one });
    expect(isHeard(one)).to.equal(true);
    const own = new Error('its own');
    own.cause = own;
    expect(isHeard(own)).to.equal(true);
  });

  it('ends at causes that go on for ever, or that cannot be read', () => {
    class Endless extends Error {
      override get cause(): unknown {
        return new Endless();
      }
    }
    expect(isHeard(new Endless())).to.equal(true);
    const unreadable = Object.defineProperty(new Error('x'), 'cause', {
      get: () => {
        throw new Error('unreadable');
      },
    });
    expect(isHeard(unreadable)).to.equal(true);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(isHeard(proxy)).to.equal(true);
  });

  describe('for a SandboxError', () => {
    const stage = useStage();

    before(() => stage.database.query('create table t (id int primary key)'));

    it('mutes what the end of the hooks’ own sandbox refuses, also that of a test inside a test', async () => {
      const db = stage.resettable();
      const hooks = resetHooks(db, { isolation: 'sandbox', leaks: 'ignore' });
      const outer = { name: 'outer', fullName: 'outer' };
      const inner = { name: 'inner', fullName: 'outer > inner', parent: outer };
      const hook = (name: 'beforeEach' | 'afterEach', context: object) =>
        (hooks[name] as (given: object) => Promise<void>)(context);
      await hook('beforeEach', outer);
      const one = await db.transaction();
      await hook('beforeEach', inner);
      const other = await db.transaction();
      for (const trx of [one, other]) trx.executionPromise.catch(() => {});
      await hook('afterEach', inner);
      await hook('afterEach', outer);
      for (const trx of [one, other]) {
        const refused = await failure(trx('t').insert({ id: 1 }));
        expect(refused).to.include({ code: 'ERR_SANDBOX' });
        expect(isHeard(refused)).to.equal(false);
      }
      await hooks.afterAll();
    });

    it('does not mute what waited for its turn in vain', async () => {
      const db = stage.resettable({ acquireConnectionTimeout: 1000 });
      const hooks = resetHooks(db, { isolation: 'sandbox' });
      await hooks.beforeEach();
      const connection: unknown = await db.client.acquireConnection();
      const refused = await failure(db('t').insert({ id: 1 }));
      expect(refused).to.include({ code: 'ERR_SANDBOX' });
      expect(isHeard(refused)).to.equal(true);
      await db.client.releaseConnection(connection);
      await hooks.afterEach();
      await hooks.afterAll();
    });

    it('does not mute what came too late for a sandbox of the test’s own', async () => {
      const db = stage.resettable();
      const hooks = resetHooks(db);
      await hooks.beforeEach();
      let late!: () => PromiseLike<unknown>;
      await db.sandbox(() => {
        late = AsyncResource.bind(() => Promise.resolve(db('t').insert({ id: 1 })));
      });
      const refused = await failure(late());
      expect(refused).to.include({ code: 'ERR_SANDBOX' });
      expect(isHeard(refused)).to.equal(true);
      await hooks.afterEach();
      await hooks.afterAll();
    });
  });
});
