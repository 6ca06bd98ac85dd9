// How the holder of a lock learns that it has it no more, from what a connection answers.
import { expect } from 'chai';
import { MigrationLockError } from '../../lib';
import type { LockConnection } from '../../lib/migration-lock/lock-connection';
import { SessionLock } from '../../lib/migration-lock/session-lock';
import { type Deferred, defer } from '../../lib/words/waiting';
import { never } from '../support/outcome';

const TIMES = { checkMillis: 5, answerMillis: 50, lastAnswerMillis: 50 };

describe('a session lock', () => {
  let isOver: Deferred<true>;
  beforeEach(() => {
    isOver = defer();
  });
  afterEach(() => isOver.resolve(true));

  const held = (session: () => Promise<number>, given: Partial<LockConnection> = {}) => {
    const whenOver = () => isOver.promise;
    const connection = { kind: 'postgres', whenLost: never(), whenOver, session, ...given } as LockConnection;
    return new SessionLock(connection, 7, TIMES);
  };

  it('is lost when the connection says so', async () => {
    const error = new Error('closed');
    const lock = held(async () => 7, { whenLost: Promise.resolve(error) });
    expect(await lock.whenLost()).to.equal(error);
  });

  it('is lost when a later look finds no answer', async () => {
    const silent = new Error('no answer');
    let looks = 0;
    const lock = held(async () => {
      if (++looks < 3) return 7;
      throw silent;
    });
    expect(await lock.whenLost()).to.equal(silent);
    expect(looks).to.equal(3);
  });

  it('is lost when another session answers', async () => {
    expect(await held(async () => 8).whenLost()).to.be.instanceOf(MigrationLockError);
    expect(await held(async () => 8).lossAtTheEnd()).to.be.instanceOf(MigrationLockError);
    expect(await held(async () => 7).lossAtTheEnd()).to.equal(undefined);
  });

  it('is looked for no more when its connection has ended', async () => {
    const hasLooked = defer();
    let looks = 0;
    const lock = held(async () => {
      if (++looks === 2) {
        isOver.resolve(true);
        hasLooked.resolve();
      }
      return 7;
    });
    void lock.whenLost();
    await hasLooked.promise;
    // No timer is left, as the hooks after all specs see; and no look comes any more.
    await new Promise((resolve) => void setTimeout(resolve, 20 * TIMES.checkMillis));
    expect(looks).to.equal(2);
  });
});
