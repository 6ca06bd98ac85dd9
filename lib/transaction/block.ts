// A block's rules inside a transaction: what may be asked of a nested one, its hooks, its time limit.
import { DurableError } from '../words/errors';
import { refuseValue } from '../words/options';
import type { AtomicOptions } from '../words/block-types';
import { inBackground } from '../words/foreign';
import { Interruption, nextTurn } from '../words/waiting';
import type { Enclosing } from './enclosing';
import { alreadyComplete, refuseIfOver } from './enlist';

/** Checks what a nested block asks for against what the outer one gives. @throws DurableError TypeError before any SQL. */
export function prepareBlock(parent: Enclosing, options: AtomicOptions): void {
  if (options.durable) throw new DurableError(parent.label ?? parent.id);
  const { isolationLevel, readOnly } = parent.outermost.port.trx;
  const outer = { isolationLevel, readOnly, deferrable: parent.outermost.block?.options.deferrable };
  for (const key of ['isolationLevel', 'readOnly', 'deferrable'] as const) {
    const asked = options[key];
    if (asked === undefined || asked === outer[key] || (asked === false && !outer[key])) continue;
    const expected = `nothing, or what the outermost block has (${String(outer[key] ?? 'the default')})`;
    refuseValue(`atomic: ${key} on a nested block`, asked, { expected, isWord: true });
  }
  const { retry, verifyCommit } = options;
  if (retry ?? verifyCommit) {
    const key = retry ? 'retry' : 'verifyCommit';
    throw new TypeError(`atomic: ${key} on a nested block: expected it on the outermost block only`);
  }
}

/** A block with `savepoint: false`: it runs in the outer one, which its failure dooms. In one that has ended it does not run. */
export async function join<T>(outer: Enclosing, block: () => Promise<T>): Promise<T> {
  refuseIfOver(outer);
  const leave = outer.work.join();
  try {
    const running = block();
    outer.outermost.block?.callbacks?.watch(running);
    const value = await endOf(outer).during(running);
    if (!outer.isUsable) throw overFor(outer); // What it did is not stored.
    return value;
  } catch (error) {
    const { name } = outer;
    outer.doom(outer.failure(`transaction ${name} was doomed by the failure of a block that joined it`, error));
    throw error;
  } finally {
    leave();
  }
}

/** Of transactions that blocks have joined. */
const ends = new WeakMap<Enclosing, Interruption>();

/** A block that never ends is over with its transaction. One turn, so that what it throws because of that is what comes out. */
function endOf(outer: Enclosing): Interruption {
  const known = ends.get(outer);
  if (known) return known;
  const end = new Interruption();
  ends.set(outer, end);
  inBackground(outer.whenOver.then(nextTurn).then(() => end.come(() => overFor(outer))));
  return end;
}

function overFor(outer: Enclosing): unknown {
  return outer.endReason ?? alreadyComplete();
}
