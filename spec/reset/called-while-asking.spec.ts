// A reset that user code calls at once while a connection is asked for: the request was made before it.
import { expect } from 'chai';
import { ResetError, type ResetReport } from '../../lib';
import { asked, failure, outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { insert, storedIn, useTable } from './stage';

describe('a reset that is called while a connection is asked for', () => {
  const stage = useTable();
  const stored = () => storedIn(stage);

  /** Calls for a reset the first time that a connection is asked for, in one way or the other. */
  type Trap = (call: (db: ResettableKnex) => void) => ResettableKnex;

  const TRAPS: Record<string, Trap> = {
    'a connection function': (call) => {
      const db: ResettableKnex = stage.resettable({
        connection: () => {
          call(db);
          return stage.database.connection;
        },
      });
      return db;
    },
    'a listener of its pool': (call) => {
      const db = stage.resettable();
      db.client.pool.on('acquireRequest', () => call(db));
      return db;
    },
    'a listener of its pool, which has an idle connection': (call) => {
      const db = stage.resettable();
      // The pool gives it out at once.
      let isOpen = false;
      db.client.pool.on('acquireRequest', () => isOpen && call(db));
      db.client.pool.on('release', () => {
        isOpen = true;
      });
      return db;
    },
  };

  for (const [where, trap] of Object.entries(TRAPS)) {
    for (const waiting of ['reject', 'requeue'] as const) {
      it(`${waiting}s the request, and counts it, in ${where}`, async () => {
        let reset: Promise<ResetReport> | undefined;
        const db = trap((instance) => {
          reset ??= instance.resetConnection({ reason: 'the trap', waiting });
        });
        if (where.includes('idle')) await db.raw('select 1');
        const { error } = await outcome(insert(db));
        const { rejectedWaiters, requeuedWaiters } = await (reset as Promise<ResetReport>);
        if (waiting === 'reject') {
          expect(error).to.be.instanceOf(ResetError).and.to.include({ reason: 'the trap' });
          expect([rejectedWaiters, requeuedWaiters]).to.deep.equal([1, 0]);
        } else {
          expect(error).to.equal(undefined);
          expect([rejectedWaiters, requeuedWaiters]).to.deep.equal([0, 1]);
        }
        expect(await stored()).to.deep.equal(waiting === 'reject' ? [] : [{ id: 1 }]);
        await db.raw('select 1');
        expect(db.connectionState().connections).to.include({ inUse: 0, waiting: 0, opening: 0 });
      });
    }
  }

  it('is one of its own if the first is over and has only still to say so', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const first = db.resetConnection();
    let second: ReturnType<typeof db.resetConnection> | undefined;
    const onAsked = () => {
      second ??= db.resetConnection({ reason: 'the second' });
    };
    db.client.pool.on('acquireRequest', onAsked);
    const held = failure(insert(db));
    expect(await held)
      .to.be.instanceOf(ResetError)
      .and.to.include({ reason: 'the second' });
    expect([(await first).generation, (await second)?.generation]).to.deep.equal([1, 2]);
    expect(await stored()).to.deep.equal([]);
  });

  for (const waiting of ['reject', 'requeue'] as const) {
    it(`${waiting}s all that have waited at the gate of the first, and that ask again one by one`, async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const first = db.resetConnection();
      let second: Promise<ResetReport> | undefined;
      db.client.pool.on('acquireRequest', () => {
        second ??= db.resetConnection({ reason: 'the second', waiting });
      });
      const held = await Promise.all([1, 2, 3].map((id) => outcome(asked(db('t').insert({ id })))));
      await first;
      const { rejectedWaiters, requeuedWaiters } = await (second as Promise<ResetReport>);
      if (waiting === 'reject') {
        for (const { error } of held)
          expect(error).to.be.instanceOf(ResetError).and.to.include({ reason: 'the second' });
        expect(await stored()).to.deep.equal([]);
      } else {
        expect(held.map(({ error }) => error as unknown)).to.deep.equal([undefined, undefined, undefined]);
        expect(await stored()).to.have.lengthOf(3);
      }
      expect([rejectedWaiters, requeuedWaiters]).to.deep.equal(waiting === 'reject' ? [3, 0] : [0, 3]);
    });
  }
});
