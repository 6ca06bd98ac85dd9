// A block's rules inside a transaction: what may be asked of a nested one, its hooks, its time limit.
import { DurableError } from '../errors';
import { refuse } from '../options';
import type { AtomicOptions, Awaitable, TransactionHook } from '../block-types';
import { within } from '../waiting';
import { endWithin, rollBack } from './roll-back';
import type { Scope } from './scope';

/** Checks what a nested block asks for against what the outer one gives. @throws DurableError TypeError before any SQL. */
export function prepareBlock(parent: Scope, options: AtomicOptions): void {
  if (options.durable) throw new DurableError(parent.label ?? parent.id);
  const { isolationLevel, readOnly } = parent.outermost.trx;
  const outer = { isolationLevel, readOnly, deferrable: parent.outermost.block?.options.deferrable };
  for (const key of ['isolationLevel', 'readOnly', 'deferrable'] as const) {
    const asked = options[key];
    if (asked === undefined || asked === outer[key] || (asked === false && !outer[key])) continue;
    refuse(
      `atomic: ${key} on a nested block`,
      asked,
      `nothing, or what the outermost block has (${String(outer[key] ?? 'the default')})`,
    );
  }
  for (const key of ['retry', 'verifyCommit'] as const) {
    if (options[key]) refuse(`atomic: ${key} on a nested block`, options[key], 'it on the outermost block only');
  }
}

/** What `trx.afterCommit(hook)` and the like do. */
export function register(scope: Scope, kind: 'beforeCommit' | 'afterCommit' | 'afterRollback', hook: unknown): void {
  if (typeof hook !== 'function') refuse(`${kind}()`, hook, 'a function');
  if (scope.phase !== 'open' || scope.isAborted) {
    throw new Error(`${kind}(): transaction ${scope.label ?? scope.id} is finished, so the hook would never run`);
  }
  scope.timeline.add(scope, kind, hook as TransactionHook);
}

/** A block with `savepoint: false`: it runs in the outer one, which its failure dooms. */
export async function join<T>(outer: Scope, block: () => Awaitable<T>): Promise<T> {
  outer.joined++;
  try {
    return await block();
  } catch (error) {
    const name = outer.label ?? outer.id;
    outer.doom ??= outer.failure(`transaction ${name} was doomed by the failure of a block that joined it`, error);
    throw error;
  } finally {
    outer.joined--;
  }
}

/** Ends a block from outside of its callback: cancelled on the server, rolled back, rejected with the error. */
export async function interrupt(scope: Scope, error: unknown): Promise<void> {
  const { instance, session } = scope;
  if (scope.outcome || scope.phase === 'ending') return;
  // There will be no other attempt that the end of its callback would have to be waited for.
  if (scope.isAborted) return scope.settle();
  if (scope.phase === 'committing') {
    // The answer decides. A COMMIT that waits, for a deferred check or a lock, is cancelled like any statement.
    scope.interruption = error;
    const { timeoutMillis } = instance.settings;
    await session.cancel(timeoutMillis);
    await within(timeoutMillis, scope.whenOver);
    if (!scope.outcome) void instance.pool.discard(session);
    return;
  }
  scope.doom = error;
  scope.onDrained?.();
  // One without a connection is stopped once it gets one; a BEGIN that is not answered leaves a connection of no use.
  // A savepoint's connection belongs to the transaction around it.
  if (scope.phase === 'beginning' && !scope.isSavepoint) void instance.pool.discard(session);
  if (scope.phase !== 'open') return;
  endWithin(scope, error);
  await rollBack(scope, error);
}
