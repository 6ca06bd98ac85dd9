// A transaction as a limit or a signal sees it.
import type { OpenEntry } from '../pool/open-entry';
import type { AtomicOptions } from '../words/block-types';
import type { Failure } from '../words/failure';
import type { State } from './state';

export interface Interruptible extends OpenEntry {
  readonly name: string;
  readonly state: State;
  readonly hasBegun: boolean;
  readonly isOutermost: boolean;
  /** Its outcome is known. */
  readonly isOver: boolean;
  /** What it ends with, or has ended with; undefined while it is open. */
  readonly endReason: unknown;
  readonly block: { readonly options: AtomicOptions } | undefined;
  /** Ends it from outside. The transaction rejects with the error, but where its COMMIT was quicker. */
  interrupt(error: unknown): Promise<void>;
}

/** One that has given its connection back, or never had one. */
export type Unconnected = Omit<Interruptible, 'connection'>;

/** Ends transactions that take too long. */
export interface TransactionLimit {
  /** One is over, and its afterCommit or onRetry hooks begin to run: they have the same time. Undefined: it has a limit of its own. */
  hooksBegin(transaction: Unconnected): HooksLimit | undefined;
}

/** The time limit of such hooks of one transaction. */
export interface HooksLimit {
  /** Resolves with the reason when it is reached. */
  readonly whenReached: Promise<Failure>;
  /** They have ended. */
  end(): void;
}
