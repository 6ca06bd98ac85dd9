// A transaction as a limit or a signal sees it.
import type { OpenEntry } from '../pool/open-entry';
import type { AtomicOptions } from '../words/block-types';
import type { State } from './state';

export interface Interruptible extends OpenEntry {
  readonly name: string;
  readonly state: State;
  readonly hasBegun: boolean;
  readonly isOutermost: boolean;
  readonly block: { readonly options: AtomicOptions } | undefined;
  /** Ends it from outside. The transaction rejects with the error, but where its COMMIT was quicker. */
  interrupt(error: unknown): Promise<void>;
}

/** Ends transactions that take too long. */
export interface TransactionLimit {
  /** One has its connection. */
  begun(transaction: Interruptible): void;
}
