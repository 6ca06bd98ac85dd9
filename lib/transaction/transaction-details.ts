// What a scope is made from, and what can become of it.
import type { AtomicOptions } from '../words/block-types';
import type { SandboxOwner } from '../pool/instance';
import type { CallSite } from '../words/call-site';
import type { Transaction } from './transaction';

/** `waiting` for a connection; `ending`: its end was asked for; `committing`: COMMIT is sent; `over`: the outcome is known. */
export type Phase = 'waiting' | 'beginning' | 'open' | 'ending' | 'committing' | 'over';

export type Outcome =
  | { kind: 'committed'; value: unknown }
  /** It resolves all the same where a plain `trx.rollback()` without an error does. */
  | { kind: 'rolledBack'; error: unknown; resolves?: boolean }
  | { kind: 'unknown'; error: Error };

/** What makes a transaction a block. */
export interface BlockSpec {
  options: AtomicOptions;
  attempt: number;
  /** More attempts may follow, so the block's callback must have ended before the block may reject. */
  mayRetry: boolean;
  /** Where it was asked for. */
  stack: CallSite;
  /** Told of its scope before anything is sent. */
  onScope(transaction: Transaction): void;
}

/** What makes a transaction that of a sandbox. */
export interface HeldSpec {
  holder: SandboxOwner;
  /** Where it was asked for. */
  stack: CallSite;
  /** It is open, and stays so until it is let go: it has neither a handle nor a callback that would end it. */
  begun(transaction: Transaction): void;
}

export interface TransactionDetails {
  parent: Transaction | undefined;
  block: BlockSpec | undefined;
  stack: CallSite;
  emulatesRoot: boolean;
  held?: HeldSpec | undefined;
}
