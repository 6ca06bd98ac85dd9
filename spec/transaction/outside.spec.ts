// `db.outside(work)`: what the work asks is stored for itself, whatever becomes of the block or sandbox around it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit } from '../../lib';
import { type Db, later, pidOf, rejection, useStage } from './stage';

const insert = async (db: Knex, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');

describe('db.outside()', () => {
  const stage = useStage({}, { pool: { min: 0, max: 3 } });
  let db: Db;
  beforeEach(() => {
    db = stage.make({ ambient: true }, { pool: { min: 0, max: 3 } });
  });

  it('stores its work when the ambient block around it fails', async () => {
    const block = db.atomic(async () => {
      await insert(db, 1);
      await db.outside(() => insert(db, 2));
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    expect(await stage.ids()).to.deep.equal([2]);
  });

  it('does not see what the block around it has not committed', async () => {
    await db.atomic(async () => {
      await insert(db, 1);
      expect(await db.outside(() => db('t').pluck('id'))).to.deep.equal([]);
      expect(await db('t').pluck('id')).to.deep.equal([1]);
    });
  });

  it('runs outermost blocks, with their own hooks', async () => {
    const told: string[] = [];
    const block = db.atomic(async () => {
      await insert(db, 1);
      await db.outside(() =>
        db.atomic(
          async (trx) => {
            await insert(db, 2);
            expect(await pidOf(db)).to.equal(await pidOf(trx));
            await afterCommit(db, () => void told.push('stored'));
          },
          { durable: true, isolationLevel: 'serializable', retry: 2 },
        ),
      );
      expect(told).to.deep.equal(['stored']);
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    expect(await stage.ids()).to.deep.equal([2]);
  });

  it('runs plain transactions as outermost ones, too', async () => {
    const block = db.atomic(async () => {
      await db.outside(() => db.transaction(() => insert(db, 2)));
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    expect(await stage.ids()).to.deep.equal([2]);
  });

  it('can be nested: inside a block inside of it, it is outside of that block', async () => {
    const block = db.atomic(async () => {
      await db.outside(async () => {
        const inner = db.atomic(async () => {
          await insert(db, 1);
          await db.outside(() => db.outside(() => insert(db, 2)));
          throw mine;
        });
        expect(await rejection(inner)).to.equal(mine);
        await insert(db, 3);
      });
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    expect(await stage.ids()).to.deep.equal([2, 3]);
  });

  it('leaves later queries of the block inside the block', async () => {
    await db.atomic(async (trx) => {
      const pid = await pidOf(trx);
      const [outside, beside] = await Promise.all([db.outside(() => pidOf(db)), pidOf(db)]);
      expect(outside).to.not.equal(pid);
      expect(beside).to.equal(pid);
      expect(await pidOf(db)).to.equal(pid);
    });
  });

  it('applies to copies, and can be called on one', async () => {
    const copy = db.withUserParams({ tenant: 1 }) as Db;
    const block = db.atomic(async () => {
      await db.outside(() => insert(copy, 1));
      await copy.outside(() => insert(db, 2));
      throw mine;
    });
    await rejection(block);
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });

  it('runs a builder outside when the work returns it', async () => {
    const block = db.atomic(async () => {
      await db.outside(() => db('t').insert({ id: 1 }));
      throw mine;
    });
    await rejection(block);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('returns the value and throws the error of synchronous and of asynchronous work', async () => {
    await db.atomic(async () => {
      expect(await db.outside(() => 5)).to.equal(5);
      expect(await rejection(db.outside(() => Promise.reject(mine)))).to.equal(mine);
      const thrown = db.outside(() => {
        throw mine;
      });
      expect(await rejection(thrown)).to.equal(mine);
    });
  });

  it('runs outside of a sandbox', async () => {
    await db.sandbox(async () => {
      await insert(db, 1);
      await db.outside(() => insert(db, 2));
      await db.outside(() => db.atomic(() => insert(db, 3)));
    });
    expect(await stage.ids()).to.deep.equal([2, 3]);
  });

  for (const ambient of [true, false]) {
    it(`runs outside of a pinned sandbox, with ambient: ${ambient}`, async () => {
      const one = ambient ? db : stage.db;
      const sandbox = await one.openSandbox();
      await insert(one, 1);
      await one.outside(async () => {
        await insert(one, 2);
        await one.atomic((trx) => insert(trx, 3));
        const trx = await one.transaction();
        await insert(trx, 4);
        await trx.commit();
        expect(await one('t').pluck('id')).to.have.members([2, 3, 4]);
      });
      expect(await one('t').where({ id: 1 }).pluck('id')).to.deep.equal([1]);
      expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] });
      expect(await stage.ids()).to.deep.equal([2, 3, 4]);
    });
  }

  it('runs outside of an unpinned sandbox', async () => {
    const sandbox = await db.openSandbox({ pinned: false });
    await sandbox.run(async () => {
      await insert(db, 1);
      await db.outside(() => insert(db, 2));
      await db.transaction(async () => {
        await db.outside(() => insert(db, 3));
      });
    });
    await sandbox.close();
    expect(await stage.ids()).to.deep.equal([2, 3]);
  });

  it('is outside of a sandbox that was pinned within it, too', async () => {
    const sandbox = await db.openSandbox();
    await db.outside(async () => {
      await insert(db, 1);
    });
    await insert(db, 2);
    await sandbox.close();
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('has its queries aborted by a reset', async () => {
    const block = later(
      db.atomic(async () => {
        await db.outside(() => db.raw('select pg_sleep(20)'));
      }),
    );
    await stage.running(/pg_sleep/);
    const { abortedTransactions, abortedQueries } = await db.resetConnection();
    expect([abortedTransactions.length, abortedQueries]).to.deep.equal([1, 1]);
    expect(await rejection(block)).to.include({ code: 'ERR_RESET' });
  });

  it('keeps later queries outside after the block has ended', async () => {
    let left!: Promise<void>;
    let go!: () => void;
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    const block = db.atomic(async () => {
      left = db.outside(() => gone.then(() => insert(db, 1)));
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    go();
    await left;
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('runs its work when there is neither a block nor a sandbox', async () => {
    await stage.db.outside(() => insert(stage.db, 1));
    await stage.db.atomic(async (trx) => {
      await insert(trx, 2);
      await stage.db.outside(() => insert(stage.db, 3));
    });
    expect(await stage.ids()).to.deep.equal([1, 2, 3]);
  });

  it('refuses anything but a function', async () => {
    for (const work of [undefined, null, {}, db('t')]) {
      const error = await rejection(db.outside(work as never));
      expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes('outside: expected a function');
    }
  });
});
