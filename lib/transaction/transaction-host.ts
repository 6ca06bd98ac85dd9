// What transactions need from the rest of their instance.
import type { Knex } from 'knex';
import type { Connection } from '../connection/connection';
import type { Begin } from '../drivers/begin';
import type { Ambient } from '../pool/ambient';
import type { OpenEntry } from '../pool/open-entry';
import type { Resets } from '../pool/resets';
import type { Settings } from '../words/options';
import type { TimeLimit } from '../words/waiting';
import type { Interruptible, TransactionLimit } from './interruptible';

export interface TransactionHost {
  /** Its parameters are those of a block that has none of its own. */
  readonly knex: Pick<Knex, 'userParams'>;
  readonly driver: { readonly name: string; readonly isPostgres?: boolean; readonly begin?: Begin };
  /** Begins transactions. */
  readonly client: object;
  readonly settings: Pick<Settings, 'timeoutMillis' | 'isFatal' | 'ambient' | 'hooks'>;
  readonly ambient: Ambient;
  readonly resets: Resets;
  readonly pool: ConnectionSource;
  /** How long knex waits for a connection. */
  readonly acquireTimeoutMillis: number;
  /** Set with `transactionTimeoutMillis`. */
  readonly transactionLimit: TransactionLimit | undefined;
  /** The built-in classifier, or the user's override of it. */
  isFatal(error: unknown): boolean;
  /** One that owns its connection has it. */
  opened(entry: OpenEntry): void;
  /** Any has its connection, or needs it no more. */
  begun(transaction: Interruptible): void;
  closed(entry: OpenEntry): void;
  /** Makes the client of a transaction that knex has begun before one of the instance's. */
  attachTransaction(client: object): void;
}

/** The connections of an instance, as its transactions use them. */
export interface ConnectionSource {
  /** Lends one for this package's own use; it is given back with `release()`. Undefined: there was none in time. */
  borrow(limit: TimeLimit): Promise<Connection | undefined>;
  release(raw: object): boolean;
  /** What a transaction on a connection that it is given waits for, if anything. */
  whenFree(raw: object): Promise<void> | undefined;
  readonly register: {
    /** Closes one that is of no use any more. */
    discard(connection: Connection): Promise<unknown>;
    /** The one that a transaction is on, by its raw connection. One from elsewhere is tapped. */
    given(raw: object): Connection;
    /** Gives it back as it was found, once it is quiet. */
    letGoForeign(connection: Connection): Promise<void>;
  };
}
