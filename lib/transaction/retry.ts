// The whole outermost block again, after a real rollback; never after a COMMIT that may have happened.
import { isRetryable } from '../drivers/fatal-errors';
import { AfterCommitError, CommitUnknownError, ResetError, suppress } from '../words/errors';
import { DEFAULTS, refuse } from '../words/options';
import type { Resets } from '../pool/resets';
import type { AtomicOptions, RetryOptions } from '../words/block-types';
import { Callbacks } from './callbacks';
import type { Unconnected } from './interruptible';
import type { Limit } from './limit';
import { HookRegister, type HookSite } from './hooks';
import { Deadline, within } from '../words/waiting';
import type { TransactionHost } from './transaction-host';

/** The transaction of an attempt, as what follows from its failure sees it. */
interface Attempted extends HookSite, Unconnected {
  readonly connection: { readonly death: Error | undefined; readonly fatal: unknown } | undefined;
  readonly view: { readonly endedBy: unknown };
  /** Refuses what is asked from now on. */
  doom(error: unknown): void;
  /** Whether an error is fatal to it. */
  hasLost(error: unknown): boolean;
}

/** One run of a block. */
export interface Attempt {
  number: number;
  /** Undefined: there is no other. */
  callbacks?: Callbacks;
  transaction: Attempted | undefined;
}

type Once<T> = (attempt: Attempt) => Promise<T>;

/** As often as `retry` says, which is once where it says nothing. */
export function attempts<T>(
  instance: TransactionHost,
  options: AtomicOptions,
  limit: Limit,
  once: Once<T>,
): Promise<T> {
  if (options.retry === undefined) return once({ number: 1, transaction: undefined });
  return repeat(instance, options, limit, once);
}

async function repeat<T>(instance: TransactionHost, options: AtomicOptions, limit: Limit, once: Once<T>): Promise<T> {
  const retry = options.retry as RetryOptions;
  const { resets } = instance;
  let earlier = resets.calls;
  // What was asked before a reset is not asked again after it.
  const isFenced = () => resets.calls !== earlier;
  let failed: unknown;
  for (let number = 1; ; number++) {
    const attempt: Attempt & { callbacks: Callbacks } = { number, callbacks: new Callbacks(), transaction: undefined };
    try {
      return await (number === 1 ? once(attempt) : again(instance, attempt, { failed, once }));
    } catch (error) {
      if (number >= retry.attempts || limit.isReached || !isWorthIt(instance, retry, attempt, error)) throw error;
      if (resets.calls === earlier + 1 && isResetFor(resets, attempt, error)) earlier = resets.calls;
      if (isFenced() || !(await areCallbacksOver(instance, attempt, { limit, failed: error })) || isFenced())
        throw error;
      const occasion = { error, fatal: attempt.transaction?.hasLost(error) ?? instance.isFatal(error) };
      const hooks = hooksOf(instance, options, attempt.transaction);
      await resets.pause({ failed: error }, async (alarm) => {
        const running = hooks.runAll('onRetry', occasion);
        const shared = attempt.transaction && instance.transactionLimit?.hooksBegin(attempt.transaction);
        const late = shared?.whenReached.then((reached) => Promise.reject(reached.error as Error));
        const first = limit.during(running, alarm, ...(late ? [late] : []));
        for (const later of await first.finally(() => shared?.end())) suppress(error, later);
        await limit.sleep(backoff(retry, number), alarm);
      });
      if (isFenced()) throw error;
      failed = error;
    }
  }
}

/**
 * Whether the attempt's callbacks have ended, which is waited for within the instance's time: none runs beside the next attempt. Rejects where
 * a reset begins meanwhile.
 */
async function areCallbacksOver(
  { resets, settings }: TransactionHost,
  { callbacks }: { callbacks: Callbacks },
  { limit, failed }: { limit: Limit; failed: unknown },
): Promise<boolean> {
  if (!callbacks.areRunning) return true;
  const deadline = new Deadline(settings.timeoutMillis);
  try {
    const over = within(deadline, callbacks.whenOver);
    await resets.pause({ failed }, (alarm) => limit.during(over, alarm));
  } finally {
    deadline.hurry(0);
  }
  return !callbacks.areRunning;
}

/** A later attempt. While it has no connection a reset ends it, whatever that does with other waiters. */
function again<T>(
  { resets }: TransactionHost,
  attempt: Attempt,
  { failed, once }: { failed: unknown; once: Once<T> },
): Promise<T> {
  const isWaiter = () => (attempt.transaction?.state.is ?? 'acquiring') === 'acquiring';
  return resets.pause({ failed, isWaiter }, (alarm) => {
    alarm.catch((error: unknown) => attempt.transaction?.doom(error));
    return Promise.race([once(attempt), alarm]);
  });
}

/** Those that it had when it was rolled back; where it never began, those that it would have had. */
function hooksOf(instance: TransactionHost, options: AtomicOptions, transaction: Attempted | undefined): HookRegister {
  const state = transaction?.state;
  if (state?.is === 'released' && state.hooks && transaction?.handle) return state.hooks;
  const hooks = new HookRegister();
  if (!transaction) return hooks;
  hooks.addAll(transaction, instance.settings.hooks);
  hooks.addAll(transaction, options.hooks);
  return hooks;
}

/** Whether the latest reset was made by `onFatal: 'reset'` for what the attempt failed of. */
function isResetFor(resets: Resets, { transaction }: Attempt, error: unknown): boolean {
  const { death, fatal } = transaction?.connection ?? {};
  return resets.isLatestFor([error, death, fatal]);
}

function isWorthIt(instance: TransactionHost, retry: RetryOptions, attempt: Attempt, error: unknown): boolean {
  if (error instanceof CommitUnknownError || error instanceof AfterCommitError) return false;
  // Nothing asked before a reset touches the database after it.
  if (error instanceof ResetError) return false;
  // What it did before its own COMMIT is stored, and would be stored again.
  if (attempt.transaction?.view.endedBy) return false;
  if (retry.when) return judge(retry.when, error, attempt.number);
  if (isRetryable(error)) return true;
  // A lost COMMIT is unknown, or known to be rolled back: whatever else is fatal came before it was sent.
  return instance.isFatal(error) && (attempt.transaction?.hasLost(error) ?? true);
}

/** One that cannot decide decides against: the block's own error comes out. */
function judge(when: NonNullable<RetryOptions['when']>, error: unknown, number: number): boolean {
  try {
    const verdict: unknown = when(error, number);
    // A promise would not be awaited, so its failure would be lost.
    Promise.resolve(verdict).catch(() => {});
    if (typeof verdict !== 'boolean') refuse('atomic: retry: when', verdict, 'it to return true or false');
    return verdict;
  } catch (thrown) {
    suppress(error, thrown);
    return false;
  }
}

/** Exponential, with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
function backoff(retry: RetryOptions, number: number): number {
  const min = retry.minDelayMillis ?? DEFAULTS.retryMinDelayMillis;
  const max = retry.maxDelayMillis ?? Math.max(DEFAULTS.retryMaxDelayMillis, min);
  return Math.random() * Math.min(max, min * 2 ** (number - 1));
}
