// One borrow of a connection, from lending to its end. Each borrower has a lease of its own, so what one leaves behind cannot affect the next.
import type { QueryOrigin } from '../words/call-site';
import { type Deferred, defer } from '../words/waiting';
import { type Mutex, NO_MUTEX } from './mutex';

/** The transaction on a connection, as the connection sees it. */
export interface ConnectionUser {
  /** Other code took the connection, and gives it back. */
  readonly usesCallersConnection: boolean;
  /** It has taken the connection and not released it: no other code can. */
  readonly keepsConnection: boolean;
  /** Code inside it has taken the connection by hand. */
  readonly isHeldByHand: boolean;
  /** COMMIT is under way: it is done soon, with or without us. */
  readonly isCommitting: boolean;
  /** It was begun with `readOnly`: that a write is refused says nothing of the server. */
  readonly isReadOnly: boolean;
  /** The error of a statement that is asked now, by whatever way, since one has ended the transaction. Undefined: it may be sent. */
  refuseStatement(): Error | undefined;
  /** A statement was answered; returns the error that its asker shall get. */
  answered(sql: string, error: unknown, result: unknown): unknown;
  /** The connection is ready again after a statement failed: only now is its status known. */
  readied(sql: string, error: unknown): void;
  /** The connection is gone. */
  lost(error: Error): void;
}

export class Lease {
  readonly since = Date.now();
  /** Where the statement or transaction that borrowed it was asked, while that is recorded. */
  readonly askedAt: QueryOrigin | undefined;
  /** Queries that run inside its borrower's transaction: what each of them does when it is done. */
  readonly guests: (() => void)[] = [];
  /** False: the connection is not borrowed, and this is the record of use without a borrow. */
  readonly isBorrowed: boolean;
  /** A promise: its borrower has given the connection back, and it is cleaned for the next one, or closed. */
  #end: 'to come' | Promise<void> | 'come' = 'to come';
  user: ConnectionUser | undefined;
  /** Decides which code may send on it now. */
  mutex: Mutex = NO_MUTEX;
  /** How many users from inside its transaction still have it after the end: they may use it, and give it back. */
  heldByHand = 0;
  /** A stream was read on it. */
  hadStream = false;
  #ended: Deferred<void> | undefined;

  constructor(isBorrowed: boolean, askedAt?: QueryOrigin) {
    this.isBorrowed = isBorrowed;
    this.askedAt = askedAt;
  }

  /** Its borrower has given the connection back, or it is closed. */
  get isOver(): boolean {
    return this.#end === 'come';
  }

  /** What is done to a connection that was given back. */
  get cleaning(): Promise<void> | undefined {
    return typeof this.#end === 'object' ? this.#end : undefined;
  }

  /** Its borrower has given the connection back, on which this is done before the lease is over. Returns it. */
  endAfter(cleaning: Promise<void>): Promise<void> {
    if (!this.isOver) this.#end = cleaning;
    return cleaning;
  }

  /** Resolves with that. */
  whenOver(): Promise<void> {
    if (!this.isBorrowed || this.isOver) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
  }

  end(): void {
    this.#end = 'come';
    this.#ended?.resolve();
  }

  /** Code inside its transaction, or left over from it, has it. */
  get isHeldInside(): boolean {
    return this.guests.length + this.heldByHand > 0 || this.user?.isHeldByHand === true;
  }

  /** Its transaction gives it back. False: users that are still inside keep it from the next borrower. */
  leave(refusal: () => Error): boolean {
    if (this.guests.length === 0) return true;
    this.heldByHand = this.guests.length;
    this.guests.length = 0;
    this.mutex.close(refusal());
    return false;
  }
}
