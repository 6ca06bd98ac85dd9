// `transactionTimeoutMillis`: the time limit of every outermost transaction that has none of its own.
import { TransactionTimeoutError } from '../words/errors';
import { AgeWatch } from '../pool/age-watch';
import { inBackground } from '../words/foreign';
import type { Settings } from '../words/options';
import { nextTurn } from '../words/waiting';
import type { Interruptible, TransactionLimit } from './interruptible';

export class SharedLimit implements TransactionLimit {
  readonly #millis: number;
  readonly #watch: AgeWatch<Interruptible>;

  constructor(millis: number) {
    this.#millis = millis;
    this.#watch = new AgeWatch({
      millis,
      now: () => performance.now(),
      tell: (transaction) => inBackground(this.#stop(transaction)),
    });
  }

  /** A transaction has its connection. The sandbox's own is exempt, and so is a block with a limit of its own. */
  begun(transaction: Interruptible): void {
    const { isOutermost, sandbox, block } = transaction;
    if (!isOutermost || sandbox || block?.options.timeoutMillis !== undefined) return;
    this.#watch.add(transaction);
  }

  ended(transaction: object): void {
    this.#watch.delete(transaction as Interruptible);
  }

  /** The transaction's promise tells. Where the event loop was blocked, an answer may be there that has not been read. */
  async #stop(transaction: Interruptible): Promise<void> {
    await nextTurn();
    if (transaction.isOver) return;
    const description = transaction.describe();
    const [where] = description.stack.split('\n');
    const name = where ? `${transaction.name}, opened ${where},` : transaction.name;
    const error = new TransactionTimeoutError(name, this.#millis, description);
    await transaction.interrupt(error);
  }
}

/** Undefined: it is off. */
export function sharedLimit({ transactionTimeoutMillis }: Settings): SharedLimit | undefined {
  return transactionTimeoutMillis === undefined ? undefined : new SharedLimit(transactionTimeoutMillis);
}
