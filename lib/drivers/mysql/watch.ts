// Reads from the server's answers on a MySQL connection what they say about its transaction.
import { means } from '../error-codes';
import { locksSession, namesAutocommit } from '../statement-text';
import type { PendingStatement } from '../pending-statement';
import type { TransactionStatus } from '../transaction-reader';

const IN_TRANSACTION = 1;
const AUTOCOMMIT = 2;

/** Whether what is asked outside of a transaction is stored at once. */
class Autocommit {
  isOn = true;
  /** When the connection was opened, and so after each reset of its session. Undefined: no answer has told it yet. */
  #wasOn: boolean | undefined;

  get isTurnedOff(): boolean {
    return this.#wasOn === true && !this.isOn;
  }

  heard(isOn: boolean): void {
    this.isOn = isOn;
    this.#wasOn ??= isOn;
  }

  /** What turns it off itself finds it on. */
  answered(sql: string): void {
    if (this.#wasOn === undefined && namesAutocommit(sql)) this.#wasOn = true;
  }
}

/** What is known of one tapped connection. */
export class Watch {
  /** The statement that is with the driver. */
  running: PendingStatement | undefined;
  /** A cancel request that is under way. */
  cancelling: Promise<void> | undefined;
  #isOpen: boolean | undefined;
  #holdsLocks = false;
  readonly #autocommit = new Autocommit();
  #hasFlags = false;

  /** @param charsetNumber what the connection was opened with: mysql2 changes its config with a SET NAMES */
  constructor(readonly charsetNumber: number) {}

  /** The latest answer had status flags. */
  get hasFlags(): boolean {
    return this.#hasFlags;
  }

  get status(): TransactionStatus {
    if (this.#isOpen === undefined) return 'unknown';
    return this.#isOpen ? 'open' : 'idle';
  }

  /** LOCK TABLES is not of the transaction, and without autocommit nothing is stored that is asked outside of one. */
  get isAltered(): boolean {
    return this.#holdsLocks || this.#autocommit.isTurnedOff;
  }

  /** The session was reset. */
  reset(): void {
    this.#holdsLocks = false;
    this.#isOpen = false;
    this.#autocommit.isOn = true;
  }

  /** A statement of the user's was answered. */
  answered(sql: string, error: unknown, result: unknown): void {
    this.#autocommit.answered(sql);
    this.note(error, result);
    if (!error) this.#holdsLocks = locksSession(sql) ?? this.#holdsLocks;
  }

  /** mysql2 reports status flags only for results without rows. A SELECT can start a transaction (autocommit off), but never ends one. */
  note(error: unknown, result: unknown): void {
    this.#hasFlags = false;
    if (error) {
      if (means(error, 'rolledBack')) this.#isOpen = false;
      return;
    }
    const flags = flagsOf(result);
    if (flags !== undefined) {
      this.#hasFlags = true;
      this.#isOpen = (flags & IN_TRANSACTION) !== 0;
      this.#autocommit.heard((flags & AUTOCOMMIT) !== 0);
    } else if (!this.#autocommit.isOn) {
      this.#isOpen = true;
    }
  }
}

/** Of several results (a procedure's, several statements') the last one counts. */
function flagsOf(result: unknown): number | undefined {
  const last = (Array.isArray(result) ? result.at(-1) : result) as { serverStatus?: number } | null | undefined;
  const kind = last?.constructor?.name;
  return kind === 'ResultSetHeader' || kind === 'OkPacket' ? last?.serverStatus : undefined;
}

/** Of several statements in one, an earlier one has left no transaction open. */
export function endsInBetween(result: unknown): boolean {
  if (!Array.isArray(result)) return false;
  const flags = result.slice(0, -1).map((each: unknown) => flagsOf([each]));
  return flags.some((each) => each !== undefined && (each & IN_TRANSACTION) === 0);
}
