// A block: its value or its error, the same one; and what it may ask of the transaction around it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type AtomicTransaction, atomic, BlockControlError, DurableError, TransactionFailedError } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { rejection, useStage } from './stage';

describe('atomic()', () => {
  const stage = useStage();
  const insert = async (trx: Knex, id: number) => {
    await trx.raw(`insert into t values (${id})`);
  };

  it('resolves with the block’s value once it is committed', async () => {
    const value = { some: 'value' };
    const result = await stage.db.atomic(async (trx) => {
      await insert(trx, 1);
      return value;
    });
    expect(result).to.equal(value);
    expect(await stage.ids()).to.deep.equal([1]);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
  });

  it('takes a block that returns a plain value, or nothing', async () => {
    expect(await stage.db.atomic(() => 5)).to.equal(5);
    expect(await stage.db.atomic(() => {})).to.equal(undefined);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;', 'BEGIN;', 'COMMIT;']);
  });

  it('resolves with the rows of a query that is returned without being awaited', async () => {
    expect(await stage.db.atomic((trx) => trx('t').insert({ id: 1 }).returning('id') as never)).to.deep.equal([
      { id: 1 },
    ]);
  });

  it('rejects with the block’s error, the same object, and stores nothing', async () => {
    const mine = new Error('mine');
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        throw mine;
      }),
    );
    expect(error).to.equal(mine);
    expect(error).not.to.have.property('suppressed');
    expect(await stage.ids()).to.deep.equal([]);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'ROLLBACK']);
  });

  it('rejects with what a block throws synchronously', async () => {
    const mine = new Error('mine');
    const error = await rejection(
      stage.db.atomic(() => {
        throw mine;
      }),
    );
    expect(error).to.equal(mine);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
  });

  it('rejects also when undefined was thrown', async () => {
    const outcome = await stage.db
      .atomic(async (trx) => {
        await insert(trx, 1);
        throw undefined;
      })
      .then(
        () => 'resolved',
        () => 'rejected',
      );
    expect([outcome, await stage.ids()]).to.deep.equal(['rejected', []]);
  });

  it('rejects with the statement’s error', async () => {
    expect(await rejection(stage.db.atomic((trx) => insert(trx, 1).then(() => insert(trx, 1))))).to.include({
      code: '23505',
    });
  });

  describe('when a statement error was swallowed', () => {
    it('rejects with TransactionFailedError, and its cause', async () => {
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await insert(trx, 1);
          await trx.raw('select 1/0').catch(() => {});
        }),
      );
      expect(error).to.be.instanceOf(TransactionFailedError).with.property('code', 'ERR_TRANSACTION_FAILED');
      expect(error.cause).to.include({ code: '22012' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('names the block', async () => {
      const error = await rejection(
        stage.db.atomic(
          (trx) =>
            trx.raw('select 1/0').then(
              () => {},
              () => {},
            ),
          { label: 'transfer' },
        ),
      );
      expect(error.message).to.include('transfer');
    });
  });

  describe('with savepoint: false', () => {
    it('joins the outer block', async () => {
      const value = await stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        return trx.atomic(
          async (joined) => {
            await insert(joined, 2);
            return 'value';
          },
          { savepoint: false },
        );
      });
      expect(value).to.equal('value');
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'insert into t values (2)', 'COMMIT;']);
    });

    it('dooms the outer block by its failure, if that was swallowed', async () => {
      const mine = new Error('mine');
      let refused: unknown;
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await insert(trx, 1);
          expect(await rejection(trx.atomic(() => Promise.reject(mine), { savepoint: false }))).to.equal(mine);
          refused = await rejection(insert(trx, 2));
        }),
      );
      expect(error).to.be.instanceOf(TransactionFailedError);
      expect(error.cause).to.equal(mine);
      expect(refused).to.equal(error);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'ROLLBACK']);
    });

    it('rejects the outer block with its error when that was not caught', async () => {
      const mine = new Error('mine');
      const error = await rejection(
        stage.db.atomic((trx) => trx.atomic(() => Promise.reject(mine), { savepoint: false })),
      );
      expect(error).to.equal(mine);
    });

    it('dooms only the savepoint that it joined', async () => {
      await stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        const inner = trx.atomic(async (nested) => {
          await insert(nested, 2);
          await rejection(nested.atomic(() => Promise.reject(new Error('mine')), { savepoint: false }));
        });
        expect(await rejection(inner)).to.be.instanceOf(TransactionFailedError);
        await insert(trx, 3);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
    });

    it('does not run in one that has ended, or has to be rolled back', async () => {
      let calls = 0;
      const joinedTo = (trx: AtomicTransaction) => rejection(trx.atomic(() => void calls++, { savepoint: false }));
      const ended: AtomicTransaction[] = [];
      const failing = stage.db.atomic(async (trx) => {
        await trx.atomic((inner) => void ended.push(trx, inner));
        expect((await joinedTo(ended[1]!)).message).to.include('already complete');
        const refused = await rejection(trx.rollback());
        expect(await joinedTo(trx)).to.equal(refused);
      });
      expect(await rejection(failing)).to.be.instanceOf(BlockControlError);
      expect(await joinedTo(ended[0]!)).to.be.instanceOf(BlockControlError);
      await stage.db.atomic((trx) => void ended.push(trx));
      expect((await joinedTo(ended[2]!)).message).to.include('already complete');
      expect(calls).to.equal(0);
    });

    it('is an ordinary block when there is no outer one', async () => {
      await stage.db.atomic((trx) => insert(trx, 1), { savepoint: false });
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  describe('with durable: true', () => {
    it('runs as the outermost block', async () => {
      await stage.db.atomic((trx) => insert(trx, 1), { durable: true });
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('rejects inside another with DurableError, before any SQL, and the outer one goes on', async () => {
      let calls = 0;
      await stage.db.atomic(async (trx) => {
        for (const savepoint of [true, false]) {
          const inner = trx.atomic(() => void calls++, { durable: true, savepoint });
          expect(await rejection(inner))
            .to.be.instanceOf(DurableError)
            .with.property('code', 'ERR_DURABLE');
        }
      });
      expect(calls).to.equal(0);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
    });

    it('rejects inside a plain transaction', async () => {
      const error = await rejection(stage.db.transaction((trx) => atomic(trx, () => {}, { durable: true })));
      expect(error).to.be.instanceOf(DurableError);
    });
  });

  describe('as a function', () => {
    it('is db.atomic() on an instance', async () => {
      await atomic(stage.db, (trx) => insert(trx, 1));
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
    });

    it('is a savepoint in a plain transaction', async () => {
      await stage.db.transaction(async (trx) => {
        await insert(trx, 1);
        const inner = atomic(trx, async (nested) => {
          expect(nested.attempt).to.equal(1);
          await insert(nested, 2);
          throw new Error('undone');
        });
        await rejection(inner);
      });
      expect(await stage.ids()).to.deep.equal([1]);
      expect(stage.sql[2]).to.equal('SAVEPOINT s1;');
    });

    it('is a savepoint in a block', async () => {
      await stage.db.atomic((trx) => atomic(trx, (nested) => nested.atomic((deepest) => insert(deepest, 1))));
      expect(stage.sql.slice(0, 3)).to.deep.equal(['BEGIN;', 'SAVEPOINT s1;', 'SAVEPOINT s2;']);
    });

    it('is a savepoint in a transaction of a copy of the instance', async () => {
      const copy = stage.db.withUserParams({ who: 'me' });
      await copy.transaction((trx) => atomic(trx, (nested) => insert(nested, 1)));
      expect(stage.sql[1]).to.equal('SAVEPOINT s1;');
    });

    it('is a savepoint in a transaction of an instance that is not resettable', async () => {
      const plain = makeKnex(stage.proxy.through(stage.database.connection));
      try {
        await plain.transaction(async (trx) => {
          await insert(trx, 1);
          expect((await rejection(atomic(trx, (nested) => insert(nested, 1)))).message).to.include('duplicate');
          await atomic(trx, (nested) => insert(nested, 2));
        });
      } finally {
        await plain.destroy();
      }
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });
  });

  it('gives its handle the userParams of the instance', async () => {
    const copy = stage.db.withUserParams({ who: 'me' }) as typeof stage.db;
    expect(await copy.atomic((trx) => trx.userParams)).to.deep.equal({ who: 'me' });
  });
});
