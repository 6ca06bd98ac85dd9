// Which unhandled rejections the hooks keep from the test that runs.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { muteAborted, REASON } from '../../lib/test-hooks/unheard';

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
});
