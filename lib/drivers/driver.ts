// What differs from database to database: a reset, and each transaction, asks its driver. What a caller needs of it is in the parts.
import type { OpeningObserver } from './openings';
import type { ServerKindTeller } from './server-kind';
import type { SessionEnd } from './session-end';
import type { StatementTap } from './statement-sink';
import type { TransactionReader } from './transaction-reader';

/** `C` is the driver's raw connection. */
export interface Driver<C = unknown>
  extends StatementTap<C>,
    TransactionReader<C>,
    SessionEnd<C>,
    ServerKindTeller<C>,
    OpeningObserver<C> {
  readonly name: string;
  /** Checks the deferred constraints of the transaction; absent where the database has none. */
  readonly constraintCheck?: string;
  /** The same for a transaction that goes on: afterwards its constraints are deferred as in a new one. Rejects with the database's error. */
  checkConstraints?(this: void, send: (sql: string) => Promise<unknown>): Promise<void>;
  /** Around a schema change of several steps inside a transaction, which drops a table that others refer to; absent where none is made so. */
  readonly schemaChange?: { before: string; after: string };
  /** Whether BEGIN can be DEFERRABLE, and what became of a transaction be asked by its id. */
  readonly isPostgres?: boolean;
}
