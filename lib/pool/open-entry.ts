// What is open, as a reset ends it and the diagnostics show it: the transactions that are registered, and what else uses a connection.
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
  /** Its outcome is known, or its connection was taken away, and only its promise has still to settle. */
  readonly holdsNothing: boolean;
  /** Resolves when its outcome is known. */
  readonly whenDecided: Promise<void>;
  describe(): OpenTransaction;
  /** Ends it for its holders; the caller ends it on the server. Its promise is settled by `settle()` or when its callback ends. Returns the error of its later queries. */
  abort(error: Error): Error | undefined;
  /** Settles what `abort()` left open. */
  settle(): void;
  /** Resolves when it holds its connection no more. */
  readonly whenOver: Promise<void>;
}

/** A connection in use, as far as it is shown. */
export interface UsedConnection {
  readonly backendId: number | undefined;
  readonly openedAt: number;
  readonly lent: boolean;
  readonly lease: { readonly since: number };
  readonly lastSql: string | undefined;
}

/** The same of what is not registered: a query, a transaction begun by hand or before the instance was resettable. */
export function describeUse(connection: UsedConnection, id: string, state: OpenTransaction['state']): OpenTransaction {
  const { backendId, lent, lease, openedAt, lastSql } = connection;
  const since = lent ? lease.since : openedAt;
  return {
    id,
    label: undefined,
    backendId,
    openedAt: new Date(since),
    ageMillis: Date.now() - since,
    depth: 1,
    state,
    lastSql,
    stack: '',
  };
}
