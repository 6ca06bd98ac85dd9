// Transactions inside transactions: what fails inside is undone inside, and says so.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { TransactionFailedError, TransactionTimeoutError } from '../../lib';
import { outcome } from '../support/outcome';
import { rejection, useStage } from './stage';

describe('a nested transaction', () => {
  const stage = useStage();
  const insert = async (trx: Knex.Transaction, id: number) => {
    await trx.raw(`insert into t values (${id})`);
  };

  describe('made with trx.transaction()', () => {
    it('is undone alone when its callback throws', async () => {
      const mine = new Error('mine');
      await stage.db.transaction(async (trx) => {
        await insert(trx, 1);
        const inner = trx.transaction(async (nested) => {
          await insert(nested, 2);
          throw mine;
        });
        expect(await rejection(inner)).to.equal(mine);
        await insert(trx, 3);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
    });

    for (const [how, end] of [
      ['rolled back by hand', (inner: Knex.Transaction) => inner.rollback()],
      ['rolled back by hand for an error', (inner: Knex.Transaction) => inner.rollback(new Error('mine'))],
      [
        'rolled back by hand while its query runs',
        (inner: Knex.Transaction) => {
          void outcome(inner.raw('select pg_sleep(60)'));
          return inner.rollback();
        },
      ],
    ] as const) {
      it(`is undone when it is ${how}, and nobody awaits that`, async () => {
        await stage.db.transaction(async (trx) => {
          await insert(trx, 1);
          const inner = await trx.transaction();
          inner.executionPromise.catch(() => {});
          await insert(inner, 2);
          const within = await inner.transaction();
          within.executionPromise.catch(() => {});
          await insert(within, 3);
          void outcome(end(within));
          void outcome(end(inner));
        });
        expect(await stage.ids()).to.deep.equal([1]);
      });

      it(`is undone when the innermost of three is ${how}, and nobody awaits that`, async () => {
        await stage.db.transaction(async (trx) => {
          await insert(trx, 1);
          const inner = await trx.transaction();
          await insert(inner, 2);
          const within = await inner.transaction();
          within.executionPromise.catch(() => {});
          await insert(within, 3);
          void outcome(end(within));
        });
        expect(await stage.ids()).to.deep.equal([1, 2]);
      });
    }

    it('is undone alone when a statement error was swallowed in it, and the outer one stays usable', async () => {
      await stage.db.transaction(async (trx) => {
        await insert(trx, 1);
        const inner = trx.transaction(async (nested) => {
          await insert(nested, 2);
          await nested.raw('select 1/0').catch(() => {});
        });
        const error = await rejection(inner);
        expect(error).to.be.instanceOf(TransactionFailedError);
        expect(error.cause).to.include({ code: '22012' });
        await insert(trx, 3);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
      expect(stage.sql).to.deep.equal([
        'BEGIN;',
        'insert into t values (1)',
        'SAVEPOINT s1;',
        'insert into t values (2)',
        'select 1/0',
        'RELEASE SAVEPOINT s1;',
        'ROLLBACK TO SAVEPOINT s1',
        'insert into t values (3)',
        'COMMIT;',
      ]);
    });

    it('is undone alone by its handle', async () => {
      await stage.db.transaction(async (trx) => {
        const nested = await trx.transaction();
        await insert(nested, 1);
        await nested.raw('select 1/0').catch(() => {});
        expect(await rejection(nested.commit())).to.be.instanceOf(TransactionFailedError);
        await insert(trx, 2);
      });
      expect(await stage.ids()).to.deep.equal([2]);
    });

    it('leaves no error behind: a later error is the cause', async () => {
      const error = await rejection(
        stage.db.transaction(async (trx) => {
          await trx.transaction((nested) => nested.raw('select 1/0')).catch(() => {});
          await trx.raw('select nothing').catch(() => {});
        }),
      );
      expect(error).to.be.instanceOf(TransactionFailedError);
      expect(error.cause).to.include({ code: '42703' });
    });

    it('fails with the error that the outer one had before', async () => {
      const error = await rejection(
        stage.db.transaction(async (trx) => {
          await trx.raw('select 1/0').catch(() => {});
          await trx.transaction((nested) => insert(nested, 1));
        }),
      );
      expect(error).to.include({ code: '25P02' });
      expect(error.cause).to.include({ code: '22012' });
    });

    it('runs siblings one after the other', async () => {
      await stage.db.transaction(async (trx) => {
        const [first, second, third] = await Promise.allSettled([
          trx.transaction((nested) => insert(nested, 1)),
          trx.transaction((nested) => insert(nested, 1)),
          trx.transaction((nested) => insert(nested, 3)),
        ]);
        expect([first.status, second.status, third.status]).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
    });
  });

  describe('made with trx.atomic()', () => {
    it('resolves with its value, and is released', async () => {
      const value = {};
      const result = await stage.db.atomic((trx) => trx.atomic(() => value));
      expect(result).to.equal(value);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'SAVEPOINT s1;', 'RELEASE SAVEPOINT s1;', 'COMMIT;']);
    });

    it('is undone alone when its failure is caught outside it, and its savepoint is released', async () => {
      const mine = new Error('mine');
      await stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        const inner = trx.atomic(async (nested) => {
          await insert(nested, 2);
          throw mine;
        });
        expect(await rejection(inner)).to.equal(mine);
        await insert(trx, 3);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
      expect(stage.sql).to.deep.equal([
        'BEGIN;',
        'insert into t values (1)',
        'SAVEPOINT s1;',
        'insert into t values (2)',
        'ROLLBACK TO SAVEPOINT s1',
        'RELEASE SAVEPOINT s1;',
        'insert into t values (3)',
        'COMMIT;',
      ]);
    });

    it('turns a failed RELEASE into ROLLBACK TO', async () => {
      await stage.db.atomic(async (trx) => {
        const inner = trx.atomic(async (nested) => {
          await insert(nested, 2);
          await nested.raw('select 1/0').catch(() => {});
        });
        const error = await rejection(inner);
        expect(error).to.be.instanceOf(TransactionFailedError);
        expect(error.cause).to.include({ code: '22012' });
        await insert(trx, 3);
      });
      expect(await stage.ids()).to.deep.equal([3]);
    });

    it('fails the outer block when its failure is not caught', async () => {
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await insert(trx, 1);
          await trx.atomic(async (nested) => {
            await insert(nested, 2);
            await insert(nested, 2);
          });
        }),
      );
      expect(error).to.include({ code: '23505' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('undoes the inner ones with the outer one', async () => {
      const mine = new Error('mine');
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await trx.atomic((nested) => nested.atomic((deepest) => insert(deepest, 1)));
          throw mine;
        }),
      );
      expect(error).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs siblings that were started together one after the other', async () => {
      let inside = 0;
      await stage.db.atomic(async (trx) => {
        const one = (id: number) =>
          trx.atomic(async (nested) => {
            expect(++inside).to.equal(1);
            await insert(nested, id);
            await nested.raw('select 1');
            inside--;
          });
        const results = await Promise.allSettled([one(1), one(1).finally(() => (inside = 0)), one(3)]);
        expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
      });
      expect(await stage.ids()).to.deep.equal([1, 3]);
    });

    it('leaves no savepoint behind, however many are undone', async () => {
      await stage.db
        .atomic(async (trx) => {
          for (let i = 0; i < 5; i++) await rejection(trx.atomic(() => Promise.reject(new Error('undone'))));
          // No savepoint is left of which the name could be used.
          const names = stage.transcript.sql.flatMap((sql) => /^SAVEPOINT (\w+)/.exec(sql)?.[1] ?? []);
          expect(names).to.have.lengthOf(5);
          const [name] = names;
          await rejection(trx.raw(`rollback to savepoint ${name}`)).then((error) => {
            expect(error).to.include({ code: '3B001' });
          });
        })
        .catch((error: { code: string }) => expect(error.code).to.equal('ERR_TRANSACTION_FAILED'));
    });
  });

  it('that the outer handle is asked for inside another one waits for that, until the limit ends both', async () => {
    const work = stage.db.atomic((outer) => outer.atomic(() => outer.atomic(async () => {})), { timeoutMillis: 100 });
    expect(await rejection(work)).to.be.instanceOf(TransactionTimeoutError);
    expect(stage.db.connectionState().connections.inUse).to.equal(0);
  });
});
