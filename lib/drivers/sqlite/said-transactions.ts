// Whether a transaction is open on SQLite, by what was said: for a driver that does not tell.
import { countOfRollbacksTo, firstWord, lastWord, withPlainComments } from '../statement-text';
import type { TransactionStatus } from '../transaction-reader';

export const NO_TRANSACTION = /no transaction is active/;

export class SaidTransactions {
  /** Undefined: no statement has shown it yet. */
  #isOpen: boolean | undefined;
  /** The savepoint that began it, if there was no BEGIN. */
  #outermost: string | undefined;

  get status(): TransactionStatus {
    if (this.#isOpen === undefined) return 'unknown';
    return this.#isOpen ? 'open' : 'idle';
  }

  note(asked: string, error: Error | null): void {
    if (error) {
      if (NO_TRANSACTION.test(error.message)) this.#isOpen = false;
      return;
    }
    const sql = withPlainComments(asked);
    switch (firstWord(sql)) {
      case 'BEGIN':
        this.#isOpen = true;
        break;
      case 'SAVEPOINT':
        if (!this.#isOpen) this.#outermost = lastWord(sql);
        this.#isOpen = true;
        break;
      case 'COMMIT':
      case 'END':
        this.#isOpen = false;
        break;
      case 'ROLLBACK':
        if (countOfRollbacksTo(sql) === 0) this.#isOpen = false;
        break;
      case 'RELEASE':
        if (this.#outermost !== undefined && lastWord(sql) === this.#outermost) this.#isOpen = false;
        break;
    }
    if (!this.#isOpen) this.#outermost = undefined;
  }
}
