// `transactionTimeoutMillis`: the time limit of every outermost transaction that has none of its own.
import { TransactionTimeoutError } from '../words/errors';
import { AgeWatch } from '../pool/age-watch';
import type { Failure } from '../words/failure';
import { inBackground } from '../words/foreign';
import type { Settings } from '../words/options';
import { type Deferred, defer, nextTurn } from '../words/waiting';
import type { HooksLimit, Interruptible, TransactionLimit, Unconnected } from './interruptible';

/** Hooks of a transaction that is over, while they run. */
interface LastHooks {
  readonly transaction: Unconnected;
  readonly late: Deferred<Failure>;
}

export class SharedLimit implements TransactionLimit {
  readonly #millis: number;
  readonly #watch: AgeWatch<Interruptible>;
  readonly #hooks: AgeWatch<LastHooks>;

  constructor(millis: number) {
    this.#millis = millis;
    const now = () => performance.now();
    this.#watch = new AgeWatch({ millis, now, tell: (transaction) => inBackground(this.#stop(transaction)) });
    this.#hooks = new AgeWatch({
      millis,
      now,
      tell: ({ transaction, late }) => late.resolve({ error: this.#error(transaction) }),
    });
  }

  /** A transaction has its connection. The sandbox's own is exempt, and so is a block with a limit of its own. */
  begun(transaction: Interruptible): void {
    if (isMeant(transaction)) this.#watch.add(transaction);
  }

  hooksBegin(transaction: Unconnected): HooksLimit | undefined {
    if (!isMeant(transaction)) return undefined;
    const hooks: LastHooks = { transaction, late: defer() };
    this.#hooks.add(hooks);
    return { whenReached: hooks.late.promise, end: () => this.#hooks.delete(hooks) };
  }

  ended(transaction: object): void {
    this.#watch.delete(transaction as Interruptible);
  }

  /** The transaction's promise tells. Where the event loop was blocked, an answer may be there that has not been read. */
  async #stop(transaction: Interruptible): Promise<void> {
    await nextTurn();
    if (!transaction.isOver) await transaction.interrupt(this.#error(transaction));
  }

  #error(transaction: Unconnected): TransactionTimeoutError {
    // One that never got a connection cannot be described.
    const description = transaction.hasBegun ? transaction.describe() : undefined;
    const [where] = description?.stack.split('\n') ?? [];
    const name = where ? `${transaction.name}, opened ${where},` : transaction.name;
    return new TransactionTimeoutError(name, this.#millis, { transaction: description, cause: transaction.endReason });
  }
}

function isMeant({ isOutermost, sandbox, block }: Unconnected): boolean {
  return isOutermost && !sandbox && block?.options.timeoutMillis === undefined;
}

/** Undefined: it is off. */
export function sharedLimit({ transactionTimeoutMillis }: Settings): SharedLimit | undefined {
  return transactionTimeoutMillis === undefined ? undefined : new SharedLimit(transactionTimeoutMillis);
}
