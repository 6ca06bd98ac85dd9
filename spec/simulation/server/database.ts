// What is stored, and the transactions that change it: a small model of PostgreSQL, whose commit is one moment.
import { Locks } from './locks';
import { SqlError } from './sql-error';

export interface Stored {
  /** What the statement was to store. */
  value: number;
  /** The statement that stored it. */
  token: number;
  key: string | undefined;
  transaction: number;
}

interface Savepoint {
  name: string;
  writes: number;
  locks: number;
}

export type Fate = 'in progress' | 'committed' | 'aborted';

/** A transaction of the server's, also that of a statement on its own. */
export class ServerTransaction {
  fate: Fate = 'in progress';
  /** Given at the first write. */
  xid: number | undefined;
  hasFailed = false;
  isReadOnly = false;
  writes: Stored[] = [];
  locks: string[] = [];
  savepoints: Savepoint[] = [];

  constructor(
    readonly number: number,
    /** Begun by BEGIN; otherwise it ends with its statement. */
    public isExplicit: boolean,
  ) {}

  savepoint(name: string): void {
    this.savepoints.push({ name, writes: this.writes.length, locks: this.locks.length });
  }

  /** The savepoint goes, with those inside it. */
  release(name: string): void {
    this.savepoints.length = this.#indexOf(name);
  }

  /** What was done since is undone; the savepoint stays. Returns the locks that were taken since. */
  rollBackTo(name: string): string[] {
    const at = this.#indexOf(name);
    const { writes, locks } = this.savepoints[at]!;
    this.savepoints.length = at + 1;
    this.writes.length = writes;
    this.hasFailed = false;
    return this.locks.splice(locks);
  }

  #indexOf(name: string): number {
    const at = this.savepoints.findLastIndex((savepoint) => savepoint.name === name);
    if (at < 0) throw new SqlError('3B001', `savepoint "${name}" does not exist`);
    return at;
  }
}

const FIRST_XID = 700;

export class Database {
  readonly locks = new Locks<ServerTransaction>();
  readonly stored: Stored[] = [];
  /** Every transaction that has ever written. */
  readonly fates = new Map<number, ServerTransaction>();
  readonly #keys = new Set<string>();
  readonly #open = new Set<ServerTransaction>();
  #transactions = 0;
  #xids = FIRST_XID;

  get openTransactions(): number {
    return this.#open.size;
  }

  begin(isExplicit: boolean): ServerTransaction {
    this.#transactions += 1;
    const transaction = new ServerTransaction(this.#transactions, isExplicit);
    this.#open.add(transaction);
    return transaction;
  }

  /** @throws SqlError 23505 where the key is there already; its lock is held by the caller */
  write(transaction: ServerTransaction, entry: Omit<Stored, 'transaction'>): void {
    if (transaction.isReadOnly) throw new SqlError('25006', 'cannot execute INSERT in a read-only transaction');
    const { key } = entry;
    if (key !== undefined && (this.#keys.has(key) || transaction.writes.some((write) => write.key === key))) {
      throw new SqlError('23505', 'duplicate key value violates unique constraint "entries_key"');
    }
    this.assignXid(transaction);
    transaction.writes.push({ ...entry, transaction: transaction.number });
  }

  assignXid(transaction: ServerTransaction): number {
    if (transaction.xid === undefined) {
      this.#xids += 1;
      transaction.xid = this.#xids;
      this.fates.set(transaction.xid, transaction);
    }
    return transaction.xid;
  }

  rollBackTo(transaction: ServerTransaction, name: string): void {
    for (const lock of transaction.rollBackTo(name)) this.locks.release(transaction, lock);
  }

  /** From here on it is stored, whatever becomes of the answer. The locks stay until `letGo()`. */
  commit(transaction: ServerTransaction): void {
    transaction.fate = 'committed';
    for (const write of transaction.writes) {
      this.stored.push(write);
      if (write.key !== undefined) this.#keys.add(write.key);
    }
  }

  rollBack(transaction: ServerTransaction): void {
    if (transaction.fate === 'in progress') transaction.fate = 'aborted';
    this.letGo(transaction);
  }

  /** After a crash: what was not committed is not known any more, and its ids are given to others. */
  recover(): void {
    let last = FIRST_XID;
    for (const [xid, { fate }] of this.fates) {
      if (fate === 'committed') last = Math.max(last, xid);
      else this.fates.delete(xid);
    }
    this.#xids = last;
  }

  letGo(transaction: ServerTransaction): void {
    for (const lock of transaction.locks.splice(0)) this.locks.release(transaction, lock);
    this.#open.delete(transaction);
  }
}
