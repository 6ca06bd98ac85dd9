// What is kept for each thing that happens in a long transaction, and how long that takes.
import v8 from 'node:v8';
import vm from 'node:vm';
import { expect } from 'chai';
import { HOOK_KINDS } from '../../lib/transaction/hook-table';
import { HookRegister, type HookSite, nextMoment } from '../../lib/transaction/hooks';
import { Limit } from '../../lib/transaction/limit';
import { Transaction } from '../../lib/transaction/transaction';
import { failure, nextTurn } from '../support/outcome';
import { useStage } from './stage';

interface Looks {
  count: number;
}

/** Counts how often it is asked what is around it. */
function site(parent: HookSite | undefined, looks: Looks = { count: 0 }): HookSite {
  return {
    madeAt: nextMoment(),
    get parent() {
      looks.count++;
      return parent;
    },
    id: 'trx1',
    label: undefined,
    depth: 1,
    attempt: 1,
    handle: undefined,
    isOpen: true,
  };
}

const never = () => new Promise<never>(() => {});

/** How many of them something still refers to. */
async function countKept(things: WeakRef<object>[]): Promise<number> {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  // A reference holds its object until the end of the turn that has made it.
  await nextTurn();
  collect();
  return things.filter((each) => each.deref() !== undefined).length;
}

describe('a long transaction', () => {
  const stage = useStage();

  it('lets go of what the blocks that have joined it came to', async () => {
    const results: WeakRef<object>[] = [];
    await stage.make().atomic(async (trx) => {
      const join = async () => new WeakRef(await trx.atomic(() => ({}), { savepoint: false }));
      for (let i = 0; i < 50; i++) results.push(await join());
      expect(await countKept(results)).to.be.below(10);
    });
  });

  it('lets go of what was waited for under its limit, such as the hooks and pauses between attempts', async () => {
    const limit = new Limit();
    limit.set(60_000, () => {});
    const results: WeakRef<object>[] = [];
    for (let i = 0; i < 50; i++) results.push(new WeakRef(await limit.during(Promise.resolve({}), never())));
    expect(await countKept(results)).to.be.below(10);
    const late = failure(limit.during(never()));
    const reason = new Error('the limit');
    limit.stop(reason);
    expect(await late).to.equal(reason);
    expect(await failure(limit.during(never()))).to.equal(reason);
  });

  it('finds what is open inside, also where thousands are open one in the other', () => {
    interface Level {
      children: Level[];
      isOver: boolean;
    }
    const level = (...children: Level[]): Level =>
      Object.create(Transaction.prototype, {
        children: { value: children },
        isOver: { value: false },
      }) as Level;
    let outermost = level();
    for (let depth = 0; depth < 3000; depth++) outermost = level(outermost);
    const inside = Transaction.prototype.openInside.call(outermost as unknown as Transaction);
    expect(inside).to.have.length(3000);
    expect(inside[0]).to.equal(outermost.children[0]);
  });

  it('looks at the hooks of a savepoint that is undone, and not at those from before it', async () => {
    const looks = { count: 0 };
    const outer = site(undefined, looks);
    const register = new HookRegister();
    const ran: string[] = [];
    for (let i = 0; i < 100; i++) register.add(outer, 'afterRollback', () => {});
    const savepoint = site(outer);
    register.add(savepoint, 'afterRollback', () => void ran.push('of the savepoint'));
    register.add(site(savepoint), 'afterRollback', () => void ran.push('of one inside'));
    register.add(outer, 'beforeCommit', () => void ran.push('of the outer one meanwhile'));
    await register.drop(savepoint).runAll('afterRollback');
    expect(ran.splice(0)).to.deep.equal(['of the savepoint', 'of one inside']);
    expect(looks.count).to.be.at.most(1);
    await register.runBeforeCommit();
    expect(ran).to.deep.equal(['of the outer one meanwhile']);
  });

  it('keeps no hook that will not run: afterBegin hooks that have, and what the outermost one hears for all', async () => {
    const kept = async (kinds: readonly string[], isKnown: boolean) => {
      const inner = site(site(undefined));
      const register = new HookRegister();
      let runs = 0;
      register.addAll(inner, Object.fromEntries(kinds.map((kind) => [kind, () => void runs++])), isKnown);
      await register.runAfterBegin(inner);
      await register.runAfterBegin(inner);
      return { runs, isEmpty: register.isEmpty };
    };
    expect(await kept(['afterBegin'], false)).to.deep.equal({ runs: 1, isEmpty: true });
    expect(await kept(['onFatal', 'onRetry', 'afterUnknown'], true)).to.deep.equal({ runs: 0, isEmpty: true });
    expect(await kept(HOOK_KINDS, true)).to.deep.equal({ runs: 1, isEmpty: false });
  });
});
