// What a database must be able to do for emptyTables(): delete all rows, fire no trigger, keep what is to be kept.
import { quoted, shown } from '../words/describe';

/** Which tables to empty. */
export interface EmptyRequest {
  /** Names of tables to leave alone, as the user wrote them: with or without their schema. Each must exist. */
  readonly except: readonly string[];
  /** knex's own tables: left alone where they exist. */
  readonly migrations: readonly { schema: string | undefined; name: string }[];
  /** Undefined: those that a name without a schema is looked up in. */
  readonly schemas: readonly string[] | undefined;
  /** A transaction of the caller's is open, which may be rolled back. */
  readonly isInside: boolean;
  /** How long to wait for a lock. */
  readonly lockMillis: number;
  /** Whether an error says that a lock was not to be had. */
  isLockTimeout(this: void, error: unknown): boolean;
}

/** Runs one statement, or a script where the driver takes scripts. Resolves with what the driver answers. */
export type Ask = (sql: string, how?: AskOptions) => Promise<unknown>;

export interface AskOptions {
  /** The same text comes again under this name: its plan is worth keeping on the connection. */
  name?: string;
  /** Cancels the statement then. */
  timeoutMillis?: number;
}

export interface TableEmptier {
  /** What knex hands to the driver with each statement, so that rows are read as they are here. */
  readonly plainRows?: object;
  /** All statements must go to one connection: they set something of the session. */
  readonly needsOneConnection: boolean;
  /** What it sends commits a transaction that it is sent in, so it is sent in none. */
  readonly commits?: boolean;
  /**
   * Resolves with the names of the tables that held rows.
   * @param memory for what stays true between two calls with the same request
   */
  empty(ask: Ask, request: EmptyRequest, memory: { layout?: unknown }): Promise<string[]>;
  /** The sessions that may hold a lock that was not granted in time. */
  holders(ask: Ask, request: EmptyRequest): Promise<LockHolder[]>;
}

export interface LockHolder {
  backendId: number | undefined;
  /** Describes the holder and what it holds. */
  text: string;
}

/** A table that stays, and has rows that refer to one that does not. */
export function refuseReference(kept: string, constraint: string, emptied: string): never {
  throw new Error(
    `emptyTables: ${quoted(kept)} is to stay, but has rows that refer to ${quoted(emptied)} (${shown(constraint)}): ` +
      'keep both (except), or neither',
  );
}

export function refuseMissing(names: readonly string[]): void {
  if (names.length === 0) return;
  throw new Error(
    `emptyTables: there is no table ${quoted(...names)}, which except names: ` +
      'names are written as in the database, without quotes, with a schema before a dot where there are several',
  );
}

export function refuseMissingSchemas(names: readonly string[]): void {
  if (names.length === 0) return;
  throw new Error(`emptyTables: there is no schema ${quoted(...names)}`);
}
