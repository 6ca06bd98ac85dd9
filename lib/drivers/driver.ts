// What differs from database to database. The driver's interface is in parts; each caller takes the one that it needs.
import type { Begin } from './begin';
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
  /** Whether it is a connection of this driver's: a user, or a mock, may lend anything in its place. Absent: anything may be. */
  isOwn?(connection: object): boolean;
  /** The driver for a connection that is not this one's own. Undefined: it is, or there is no other. */
  insteadFor?(connection: object): Driver<object> | undefined;
  /** Checks the deferred constraints of the transaction; absent where the database has none. */
  readonly constraintCheck?: string;
  /** The same for a transaction that continues: afterwards its constraints are deferred as in a new one. Rejects with the database's error. */
  checkConstraints?(this: void, send: (sql: string) => Promise<unknown>): Promise<void>;
  /** Wraps a schema change of several steps inside a transaction, which drops a table that others refer to. Absent: the database needs no such steps. */
  readonly schemaChange?: { before: string; after: string };
  /** Absent: knex ignores it that a transaction is to be read-only, as on SQLite. */
  readonly begin?: Begin;
  /** Whether BEGIN can be DEFERRABLE, and whether the outcome of a transaction can be read by its id. */
  readonly isPostgres?: boolean;
}
