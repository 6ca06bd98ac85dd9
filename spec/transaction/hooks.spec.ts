// The timeline of hooks: when each kind runs, in which order, and when it is dropped.
import { expect } from 'chai';
import type { AtomicTransaction, TransactionHooks } from '../../lib';
import { rejection, useStage } from './stage';

const KINDS = [
  'afterBegin',
  'beforeCommit',
  'afterCommit',
  'afterRollback',
  'onFatal',
  'onRetry',
  'afterUnknown',
] as const;

/** All hooks, each writing its kind into the log. */
function recording(log: unknown[], prefix = ''): TransactionHooks {
  return Object.fromEntries(KINDS.map((kind) => [kind, () => void log.push(prefix + kind)]));
}

describe('the hooks of a block', () => {
  const stage = useStage();
  let log: unknown[];
  const note = (entry: unknown) => () => void log.push(entry);
  const fail = () => Promise.reject(new Error('undone'));

  beforeEach(() => {
    log = [];
  });

  describe('when it is committed', () => {
    it('run at their moment', async () => {
      const hooks: TransactionHooks = {
        afterBegin: ({ trx }) => trx.raw('select 1').then(note('afterBegin')),
        beforeCommit: ({ trx }) => trx.raw('select 2').then(note('beforeCommit')),
        afterCommit: async () => {
          log.push('afterCommit', await stage.ids());
        },
        afterRollback: note('afterRollback'),
        afterUnknown: note('afterUnknown'),
        onFatal: note('onFatal'),
        onRetry: note('onRetry'),
      };
      await stage.db.atomic((trx) => trx.raw('insert into t values (1)').then(note('body')), { hooks });
      expect(log).to.deep.equal(['afterBegin', 'body', 'beforeCommit', 'afterCommit', [1]]);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'select 1', 'insert into t values (1)', 'select 2', 'COMMIT;']);
    });

    it('run after COMMIT once, in the order of registration over the whole transaction', async () => {
      await stage.db.atomic(async (trx) => {
        trx.afterCommit(note(1));
        await trx.atomic((nested) => {
          nested.afterCommit(note(2));
        });
        trx.afterCommit(note(3));
        expect(log).to.deep.equal([]);
      });
      expect(log).to.deep.equal([1, 2, 3]);
    });

    it('run a hook that another hook registered before the hooks that come later', async () => {
      const open = (id: number, more?: (trx: AtomicTransaction) => void) => () =>
        stage.db.atomic((trx) => {
          log.push(id);
          more?.(trx);
        });
      await stage.db.atomic((trx) => {
        trx.afterCommit(open(1, (inner) => inner.afterCommit(open(11))));
        trx.afterCommit(open(2, (inner) => inner.afterCommit(open(12))));
      });
      expect(log).to.deep.equal([1, 11, 2, 12]);
    });

    it('are awaited, one after the other', async () => {
      const slow = (id: number) => async () => {
        log.push(`${id} starts`);
        await stage.db.raw('select 1');
        log.push(`${id} ends`);
      };
      await stage.db.atomic((trx) => {
        for (const id of [1, 2]) {
          trx.beforeCommit(slow(id));
          trx.afterCommit(slow(id));
        }
      });
      const once = ['1 starts', '1 ends', '2 starts', '2 ends'];
      expect(log).to.deep.equal([...once, ...once]);
    });

    it('may register more before COMMIT', async () => {
      await stage.db.atomic((trx) => {
        trx.beforeCommit(() => {
          log.push('first');
          trx.beforeCommit(note('second'));
          trx.afterCommit(note('third'));
        });
      });
      expect(log).to.deep.equal(['first', 'second', 'third']);
    });

    it('run only at the outermost COMMIT', async () => {
      await stage.db.atomic(async (trx) => {
        await trx.atomic((nested) => nested.beforeCommit(note('before')), { hooks: { afterCommit: note('after') } });
        log.push('inner is done');
      });
      expect(log).to.deep.equal(['inner is done', 'before', 'after']);
    });

    it('run when a joined block registered them', async () => {
      await stage.db.atomic(async (trx) => {
        const hooks = { afterBegin: note('afterBegin'), afterCommit: note('afterCommit') };
        await trx.atomic((joined) => joined.afterCommit(note('registered')), { savepoint: false, hooks });
        expect(log).not.to.include('afterCommit');
      });
      expect(log).to.include.members(['afterCommit', 'registered']);
    });

    it('may run another block on a pool of one', async () => {
      const db = stage.make({}, { pool: { max: 1 }, acquireConnectionTimeout: 500 });
      await db.atomic((trx) => {
        trx.afterCommit(() => db.atomic((inner) => inner.raw('insert into t values (1)')));
      });
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  describe('when it is rolled back', () => {
    it('run after ROLLBACK, with the error', async () => {
      const mine = new Error('mine');
      const hooks = { ...recording(log), afterRollback: ({ error }: { error: unknown }) => void log.push(error) };
      await rejection(stage.db.atomic(() => Promise.reject(mine), { hooks }));
      expect(log).to.deep.equal(['afterBegin', mine]);
    });

    it('do not see its work in the database, and may run another block on a pool of one', async () => {
      const db = stage.make({}, { pool: { max: 1 }, acquireConnectionTimeout: 500 });
      const body = async (trx: AtomicTransaction) => {
        await trx.raw('insert into t values (1)');
        trx.afterRollback(() =>
          db.atomic((inner) => inner.raw('insert into t select 2 from (select count(*) n from t) x where n = 0')),
        );
        throw new Error('mine');
      };
      expect((await rejection(db.atomic(body))).message).to.equal('mine');
      expect(await stage.ids()).to.deep.equal([2]);
    });

    it('are dropped with their savepoint, whose afterRollback hooks run', async () => {
      await stage.db.atomic(async (trx) => {
        trx.afterCommit(note('outer'));
        const inner = trx.atomic(async (nested) => {
          nested.beforeCommit(note('dropped'));
          nested.afterCommit(note('dropped'));
          nested.afterRollback(() => void log.push(['undone', [...stage.sql].at(-1)]));
          await nested.atomic((deepest) => deepest.afterCommit(note('dropped')));
          await fail();
        });
        await rejection(inner);
        log.push('inner is over');
      });
      expect(log).to.deep.equal([['undone', 'RELEASE SAVEPOINT s1;'], 'inner is over', 'outer']);
    });

    it('run for an inner block that was released', async () => {
      await rejection(
        stage.db.atomic(async (trx) => {
          await trx.atomic((nested) => nested.afterRollback(note('inner')));
          trx.afterRollback(note('outer'));
          await fail();
        }),
      );
      expect(log).to.deep.equal(['inner', 'outer']);
    });

    it('do not run again for an inner block that was rolled back itself', async () => {
      await rejection(
        stage.db.atomic(async (trx) => {
          await rejection(trx.atomic((nested) => (nested.afterRollback(note('inner')), fail())));
          await fail();
        }),
      );
      expect(log).to.deep.equal(['inner']);
    });

    it('run when the server rolled back', async () => {
      await rejection(
        stage.db.atomic(
          (trx) =>
            trx.raw('select 1/0').then(
              () => {},
              () => {},
            ),
          {
            hooks: { ...recording(log), afterRollback: ({ error }) => void log.push((error as { code: string }).code) },
          },
        ),
      );
      expect(log).to.deep.equal(['afterBegin', 'beforeCommit', 'ERR_TRANSACTION_FAILED']);
    });

    it('run when COMMIT failed', async () => {
      const hooks = recording(log);
      await rejection(stage.db.atomic((trx) => trx('u').insert([{ id: 1 }, { id: 1 }]) as never, { hooks }));
      expect(log).to.deep.equal(['afterBegin', 'beforeCommit', 'afterRollback']);
    });
  });

  describe('when it is too late', () => {
    it('cannot be registered', async () => {
      let outer: AtomicTransaction | undefined;
      let inner: AtomicTransaction | undefined;
      await stage.db.atomic(async (trx) => {
        outer = trx;
        await trx.atomic((nested) => {
          inner = nested;
        });
        for (const kind of ['beforeCommit', 'afterCommit', 'afterRollback'] as const) {
          expect(() => inner![kind](note('never')), kind).to.throw(/finished|over/);
        }
      });
      for (const kind of ['beforeCommit', 'afterCommit', 'afterRollback'] as const) {
        expect(() => outer![kind](note('never')), kind).to.throw(/finished|over/);
      }
      expect(log).to.deep.equal([]);
    });

    it('cannot be registered in an afterRollback hook', async () => {
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          trx.afterRollback(() => trx.afterRollback(note('never')));
          await fail();
        }),
      );
      expect(error.message).to.equal('undone');
      expect(error.suppressed?.[0]?.message).to.match(/finished|over/);
      expect(log).to.deep.equal([]);
    });

    it('cannot be registered without a function', async () => {
      await stage.db.atomic((trx) => {
        for (const hook of [undefined, null, 'hook', {}]) {
          expect(() => trx.afterCommit(hook as never)).to.throw(TypeError);
        }
      });
    });
  });
});
