// What a hook is told: one frozen object.
import { expect } from 'chai';
import { type AtomicTransaction, beforeCommit, type TransactionHook, type TransactionHookContext } from '../../lib';
import { pidOf, rejection, useStage } from './stage';

describe('the context of a hook', () => {
  const stage = useStage();

  it('is frozen and has its seven fields', async () => {
    let context: TransactionHookContext | undefined;
    let handle: AtomicTransaction | undefined;
    await stage.db.atomic(
      (trx) => {
        handle = trx;
        trx.afterCommit((given) => {
          context = given;
        });
      },
      { label: 'transfer' },
    );
    expect(context).to.be.frozen;
    expect(Object.keys(context!).sort()).to.deep.equal(
      ['trx', 'id', 'label', 'depth', 'attempt', 'error', 'fatal'].sort(),
    );
    const { id, trx, ...rest } = context!;
    expect(id).to.match(/^trx\d+$/);
    expect(trx).to.equal(handle);
    expect(rest).to.deep.equal({ label: 'transfer', depth: 1, attempt: 1, error: undefined, fatal: false });
  });

  it('names the block in which the hook was registered', async () => {
    const seen: unknown[] = [];
    const see = ({ trx, depth, label }: TransactionHookContext) => void seen.push([trx, depth, label]);
    const handles: unknown[] = [];
    await stage.db.atomic(
      async (trx) => {
        handles.push(trx);
        trx.afterCommit(see);
        await trx.atomic(
          async (nested) => {
            handles.push(nested);
            nested.afterCommit(see);
            await nested.atomic((deepest) => {
              handles.push(deepest);
              deepest.beforeCommit(see);
            });
          },
          { label: 'inner' },
        );
      },
      { label: 'outer' },
    );
    // The deepest block has ended by then: its beforeCommit hook has the handle of the one that is open.
    expect(seen.map((entry) => (entry as unknown[])[0])).to.deep.equal([handles[0], handles[0], handles[1]]);
    expect(seen.map((entry) => (entry as unknown[])[1])).to.deep.equal([3, 1, 2]);
    expect((seen[1] as unknown[])[2]).to.equal('outer');
    expect((seen[2] as unknown[])[2]).to.equal('inner');
  });

  describe('before COMMIT', () => {
    /** Registers a hook that stores a row by what it is given, two savepoints deep. */
    const ways = {
      'trx.beforeCommit()': (outer: AtomicTransaction, hook: TransactionHook) =>
        outer.atomic((inner) => inner.atomic((deepest) => deepest.beforeCommit(hook))),
      'beforeCommit(trx, hook)': (outer: AtomicTransaction, hook: TransactionHook) =>
        outer.transaction((inner) => inner.transaction((deepest) => beforeCommit(deepest, hook))),
      'the hooks of a block': (outer: AtomicTransaction, hook: TransactionHook) =>
        outer.atomic((inner) => inner.atomic(() => {}, { hooks: { beforeCommit: hook } })),
      'a block that joins': (outer: AtomicTransaction, hook: TransactionHook) =>
        outer.atomic((inner) => inner.atomic((joined) => joined.beforeCommit(hook), { savepoint: false })),
    };
    for (const [way, register] of Object.entries(ways)) {
      it(`has a handle that takes queries, by ${way} of an inner block that has ended`, async () => {
        const hook = async ({ trx }: TransactionHookContext) => {
          expect(trx.isCompleted()).to.equal(false);
          await trx('t').insert({ id: 1 });
        };
        await stage.db.atomic((outer) => register(outer, hook));
        expect(await stage.db('t').pluck('id')).to.deep.equal([1]);
        await stage.db.sandbox(async () => {
          await stage.db.atomic((outer) =>
            register(outer, async ({ trx }) => trx('t').where({ id: 1 }).update({ id: 2 })),
          );
          expect(await stage.db('t').pluck('id')).to.deep.equal([2]);
        });
      });
    }
  });

  it('has the reason of a rollback that was not fatal', async () => {
    const mine = new Error('mine');
    let context: TransactionHookContext | undefined;
    await rejection(
      stage.db.atomic((trx) => {
        trx.afterRollback((given) => {
          context = given;
        });
        throw mine;
      }),
    );
    expect(context).to.include({ error: mine, fatal: false, attempt: 1 });
  });

  it('has the reason of a rollback that was fatal', async () => {
    const contexts: Record<string, TransactionHookContext> = {};
    const error = await rejection(
      stage.db.atomic(
        async (trx) => {
          await stage.database.terminate(await pidOf(trx));
          await trx.raw('select 1');
        },
        {
          hooks: {
            onFatal: (given) => {
              contexts.onFatal = given;
            },
            afterRollback: (given) => {
              contexts.afterRollback = given;
            },
          },
        },
      ),
    );
    expect(contexts.onFatal).to.include({ fatal: true });
    expect((contexts.onFatal!.error as { code: string }).code).to.equal('57P01');
    expect(contexts.afterRollback).to.include({ fatal: true, error });
  });

  it('has the handle of a plain transaction', async () => {
    let context: TransactionHookContext | undefined;
    const db = stage.make({
      hooks: {
        afterCommit: (given) => {
          context = given;
        },
      },
    });
    let handle: unknown;
    await db.transaction(async (trx) => {
      handle = trx;
    });
    expect(context).to.include({ trx: handle, depth: 1, attempt: 1, label: undefined });
  });
});
