// The whole outermost block again, after a real rollback; never after a COMMIT that may have happened.
import { isRetryable } from '../drivers/error-codes';
import { AfterCommitError, CommitUnknownError, suppress, TransactionFailedError } from '../errors';
import { DEFAULTS } from '../options';
import type { Instance } from '../pool/instance';
import type { AtomicOptions, RetryOptions } from '../types';
import type { Limit } from './limit';
import type { Scope } from './scope';

/** One run of a block. */
export interface Attempt {
  number: number;
  /** More may follow. */
  mayRetry: boolean;
  scope: Scope | undefined;
}

export async function attempts<T>(
  instance: Instance,
  options: AtomicOptions,
  limit: Limit,
  once: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const retry = options.retry as RetryOptions | undefined;
  for (let number = 1; ; number++) {
    const attempt: Attempt = { number, mayRetry: number < (retry?.attempts ?? 1), scope: undefined };
    try {
      return await once(attempt);
    } catch (error) {
      if (!attempt.mayRetry || limit.isReached || !isWorthIt(instance, retry, error, number)) throw error;
      const hooks = attempt.scope?.lastHooks;
      for (const later of (await hooks?.runAll('onRetry', { error })) ?? []) suppress(error, later);
      await limit.sleep(backoff(retry, number));
    }
  }
}

function isWorthIt(instance: Instance, retry: RetryOptions | undefined, error: unknown, number: number): boolean {
  if (error instanceof CommitUnknownError || error instanceof AfterCommitError) return false;
  if (retry?.when) return retry.when(error, number);
  if (isRetryable(error) || (error instanceof TransactionFailedError && isRetryable(error.cause))) return true;
  // A lost COMMIT is unknown, or known to be rolled back: whatever else is fatal came before it was sent.
  return instance.isFatal(error);
}

/** Exponential, with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
function backoff(retry: RetryOptions | undefined, number: number): number {
  const min = retry?.minDelayMillis ?? DEFAULTS.retryMinDelayMillis;
  const max = retry?.maxDelayMillis ?? DEFAULTS.retryMaxDelayMillis;
  return Math.random() * Math.min(max, min * 2 ** (number - 1));
}
