// What a transaction registers as while it is open: a reset ends it by that, and the diagnostics show it.
import type { Connection } from '../connection/connection';
import type { OpenTransaction } from '../words/types';

/** An outermost transaction that is open. */
export interface OpenEntry {
  readonly connection: Connection;
  readonly openedAt: number;
  /** Set: a sandbox holds it open, so it is no leak. */
  readonly sandbox: object | undefined;
  /** COMMIT was sent, its answer is not there yet. */
  readonly isCommitting: boolean;
  /** Its outcome is known. */
  readonly isOver: boolean;
  /** Resolves with that. */
  readonly whenDecided: Promise<void>;
  describe(): OpenTransaction;
  /** Ends it for its holders; the server's side is the caller's business. Its promise is settled by `settle()` or when its callback ends. Returns what its later queries get. */
  abort(error: Error): Error | undefined;
  /** Settles what `abort()` left open. */
  settle(): void;
  /** Resolves when it holds its connection no more. */
  readonly whenOver: Promise<void>;
}
