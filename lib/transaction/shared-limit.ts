// `transactionTimeoutMillis`: the time limit of every outermost transaction that has none of its own. All have the same time, so that
// they reach it in the order in which they began, and one timer is enough.
import { TransactionTimeoutError } from '../words/errors';
import type { Settings, TransactionLimit } from '../pool/instance';
import { inBackground } from '../words/foreign';
import { nextTurn } from '../words/waiting';
import { interrupt } from './interrupt';
import type { Transaction } from './transaction';

class SharedLimit implements TransactionLimit {
  readonly #millis: number;
  /** When each began. The oldest comes first. */
  readonly #begun = new Map<Transaction, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(millis: number) {
    this.#millis = millis;
  }

  /** A transaction has its connection. The sandbox's own is exempt, and so is a block with a limit of its own. */
  begun(transaction: Transaction): void {
    const { isOutermost, sandbox, block } = transaction;
    if (!isOutermost || sandbox || block?.options.timeoutMillis !== undefined) return;
    this.#begun.set(transaction, performance.now());
    this.#timer ??= setTimeout(this.#look, this.#millis).unref();
  }

  ended(transaction: object): void {
    if (!this.#begun.delete(transaction as Transaction) || this.#begun.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    for (const [transaction, at] of this.#begun) {
      const leftMillis = at + this.#millis - now;
      if (leftMillis > 0) {
        this.#timer = setTimeout(this.#look, leftMillis).unref();
        return;
      }
      this.#begun.delete(transaction);
      inBackground(this.#stop(transaction));
    }
  };

  /** The transaction's promise tells. Where the event loop was blocked, an answer may be there that has not been read. */
  async #stop(transaction: Transaction): Promise<void> {
    await nextTurn();
    if (transaction.isOver) return;
    const description = transaction.describe();
    const [where] = description.stack.split('\n');
    const name = where ? `${transaction.name}, opened ${where},` : transaction.name;
    const error = new TransactionTimeoutError(name, this.#millis, description);
    await interrupt(transaction, error);
  }
}

/** Undefined: it is off. */
export function sharedLimit({ transactionTimeoutMillis }: Settings): SharedLimit | undefined {
  return transactionTimeoutMillis === undefined ? undefined : new SharedLimit(transactionTimeoutMillis);
}
