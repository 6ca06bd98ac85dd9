// A block's time limit and abort signal, over all its attempts.
import { TransactionTimeoutError } from '../words/errors';
import type { AtomicOptions } from '../words/block-types';
import type { Failure } from '../words/failure';
import { inBackground, read, valueOr } from '../words/foreign';
import { Deadline, type Deferred, defer, Interruption } from '../words/waiting';
import type { BlockLimit } from './transaction-details';
import type { Interruptible } from './interruptible';

export class Limit implements BlockLimit {
  #deadline: Deadline | undefined;
  #stopped: Deferred<Failure> | undefined;
  #error: (Failure & { since: Deadline }) | undefined;
  #expire: (() => void) | undefined;
  #transaction: Interruptible | undefined;
  /** Of waits where no attempt is open that would be rolled back first. */
  readonly #interruption = new Interruption();

  get isReached(): boolean {
    return this.#error !== undefined;
  }

  get leftMillis(): number | undefined {
    return this.#deadline?.leftMillis;
  }

  get overMillis(): number | undefined {
    return this.#error?.since.lateMillis;
  }

  get whenReached(): Promise<Failure> | undefined {
    return this.#stopped?.promise;
  }

  /** There is one: by time, by a signal, or both. */
  set(timeoutMillis: number | undefined, expire: () => void): void {
    this.#stopped = defer();
    if (timeoutMillis === undefined) return;
    this.#deadline = new Deadline(timeoutMillis);
    this.#expire = expire;
  }

  expire(): void {
    if (this.#deadline && this.#deadline.leftMillis <= 1) this.#expire?.();
  }

  /** The attempt that is to be stopped when the limit is reached. */
  watch(transaction: Interruptible): void {
    this.#transaction = transaction;
  }

  /** What the first of them settles with. Rejects as soon as the limit is reached, where no attempt is open that would be rolled back first. */
  during<T>(...awaited: PromiseLike<T>[]): Promise<T> {
    return this.#interruption.during(...awaited);
  }

  timeoutError(label: string | undefined, timeoutMillis: number): TransactionTimeoutError {
    const watched = this.#transaction;
    const transaction = watched?.connection ? watched.describe() : undefined;
    const details = { transaction, cause: watched?.endReason };
    return new TransactionTimeoutError(label ?? transaction?.id ?? 'block', timeoutMillis, details);
  }

  /**
   * Rejects early where the limit is reached, and with what the alarm rejects with.
   * @param alarm never resolves
   */
  async sleep(millis: number, alarm: Promise<never>): Promise<void> {
    // By the clock that a test may have faked, unlike all other waits, since the user has set this time.
    let timer: NodeJS.Timeout | undefined;
    const isOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, millis);
    });
    try {
      await this.during(isOver, alarm);
    } finally {
      clearTimeout(timer);
    }
  }

  stop(error: unknown): void {
    if (this.#error) return;
    this.#error = { error, since: new Deadline(0) };
    this.#stopped?.resolve(this.#error);
    const transaction = this.#transaction;
    // After BEGIN the attempt ends with an outcome of its own, which counts, its last hooks included.
    const hasBegun = transaction?.hasBegun && transaction.state.is !== 'released';
    if (transaction) inBackground(transaction.interrupt(error));
    if (!hasBegun) this.#interruption.come(() => error);
  }
}

/** Runs the work under the options' `timeoutMillis` and `signal`, and takes the watch off afterwards. */
export function limited<T>(options: AtomicOptions, work: (limit: Limit) => Promise<T>): Promise<T> {
  const { signal } = options;
  const timeoutMillis = finite(options.timeoutMillis);
  const limit = new Limit();
  return timeoutMillis === undefined && signal === undefined ? work(limit) : watched(limit, options, work);
}

async function watched<T>(limit: Limit, options: AtomicOptions, work: (limit: Limit) => Promise<T>): Promise<T> {
  const { signal, label } = options;
  const timeoutMillis = finite(options.timeoutMillis);
  if (signal?.aborted) throw signal.reason;
  const onAbort = () => limit.stop(read(signal, 'reason'));
  const onTimeout = () => limit.stop(limit.timeoutError(label, timeoutMillis as number));
  limit.set(timeoutMillis, onTimeout);
  const timer = timeoutMillis === undefined ? undefined : setTimeout(onTimeout, timeoutMillis);
  try {
    signal?.addEventListener('abort', onAbort, { once: true });
    return await limit.during(work(limit));
  } finally {
    clearTimeout(timer);
    // It must not replace the outcome.
    valueOr(undefined, () => signal?.removeEventListener('abort', onAbort));
  }
}

/** `Infinity` is no limit; a timer would take it for none to wait. */
function finite(timeoutMillis: number | undefined): number | undefined {
  return timeoutMillis === Number.POSITIVE_INFINITY ? undefined : timeoutMillis;
}
