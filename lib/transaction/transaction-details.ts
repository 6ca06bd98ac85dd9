// What a transaction `T` is made from.
import type { AtomicOptions } from '../words/block-types';
import type { Failure } from '../words/failure';
import type { Callbacks } from './callbacks';
import type { TransactionPort } from '../knex/transaction-port';
import type { CallSite } from '../words/call-site';
import type { TransactionHost } from './transaction-host';

/** A block's time limit, as its transaction sees it. */
export interface BlockLimit {
  /** Undefined: it has none. */
  readonly leftMillis: number | undefined;
  /** How long ago it was reached. Undefined: it is not. */
  readonly overMillis: number | undefined;
  /** Its time is up: it is reached now, if a timer is later than that. */
  expire(): void;
  /** Resolves with the reason when the limit is reached, or the signal aborted. Undefined: it has neither. */
  readonly whenReached: Promise<Failure> | undefined;
}

/** What makes a transaction a block. */
export interface BlockSpec<T> {
  options: AtomicOptions;
  attempt: number;
  /** Those of the attempt, if there may be another. */
  callbacks: Callbacks | undefined;
  /** The time that it has. */
  limit: BlockLimit;
  /** Where it was asked for. */
  stack: CallSite;
  /** Told of its transaction before anything is sent. */
  onTransaction(transaction: T): void;
}

export interface TransactionDetails<T> {
  instance: TransactionHost;
  port: TransactionPort;
  parent: T | undefined;
  block: BlockSpec<T> | undefined;
  stack: CallSite;
}
