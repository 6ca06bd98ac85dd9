// Several sandboxes in one process, each in the async context of its body.
import { expect } from 'chai';
import { defer } from '../../lib/words/waiting';
import { outcome } from '../support/outcome';
import { expectUntouched, ids, pidOf, useTables } from './stage';

describe('sandboxes side by side', () => {
  const stage = useTables();

  it('do not see each other, and are not seen', async () => {
    const db = stage.resettable();
    const inside = [0, 1, 2, 3].map(() => defer());
    const go = defer();
    const running = inside.map((isInside, n) =>
      db.sandbox(async () => {
        await db('t')
          .insert({ id: 1, note: String(n) })
          .onConflict()
          .ignore();
        isInside.resolve();
        await go.promise;
        return [await pidOf(db), await db('t').pluck('note')] as const;
      }),
    );
    // Whichever stores the key first makes the others wait until it is rolled back.
    await Promise.race(inside.map(({ promise }) => promise));
    expect(await db('t')).to.deep.equal([]);
    go.resolve();
    const found = await Promise.all(running);
    expect(found.map(([, notes]) => notes)).to.deep.equal([['0'], ['1'], ['2'], ['3']]);
    expect(new Set(found.map(([pid]) => pid))).to.have.property('size', 4);
    await expectUntouched(stage, db);
  });

  it('leave queries from outside on the pool, whose rows stay', async () => {
    const db = stage.resettable();
    const [isIn, go] = [defer(), defer()];
    const sandboxed = db.sandbox(async () => {
      await db('t').insert({ id: 1 });
      isIn.resolve();
      await go.promise;
      return db('t').pluck('id');
    });
    await isIn.promise;
    await db('t').insert({ id: 2 });
    await db.transaction((trx) => trx('t').insert({ id: 3 }));
    go.resolve();
    expect(await sandboxed).to.have.members([1, 2, 3]);
    expect(await ids(stage)).to.deep.equal([2, 3]);
    await db('t').delete();
  });

  it('follow timers, events and callbacks', async () => {
    const db = stage.resettable();
    const seen = await db.sandbox(async () => {
      const done = defer();
      setTimeout(
        () =>
          setImmediate(() =>
            process.nextTick(
              () =>
                void db('t')
                  .insert({ id: 1 })
                  .then(() => done.resolve()),
            ),
          ),
        1,
      );
      await done.promise;
      return db('t').pluck('id');
    });
    expect(seen).to.deep.equal([1]);
    await expectUntouched(stage, db);
  });

  it('end independently', async () => {
    const db = stage.resettable();
    const isOver = defer();
    const lasting = db.sandbox(async () => {
      await db('t').insert({ id: 2 });
      await isOver.promise;
      return db('t').pluck('id');
    });
    const failed = await outcome(
      db.sandbox(async () => {
        await db('t').insert({ id: 1 });
        throw new Error('no');
      }),
    );
    expect(failed.error).to.have.property('message', 'no');
    isOver.resolve();
    expect(await lasting).to.deep.equal([2]);
    await expectUntouched(stage, db);
  });

  it('of two instances are independent', async () => {
    const [one, other] = [stage.resettable(), stage.resettable()];
    await one.sandbox(async () => {
      await one('t').insert({ id: 1 });
      expect(await other('t')).to.deep.equal([]);
      await other.sandbox(async () => expect(await other('t')).to.deep.equal([]));
      expect(await one('t')).to.have.lengthOf(1);
    });
  });
});
