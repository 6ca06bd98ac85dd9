// What all parts of one resettable instance share: its pool, its driver, its options, and the register of open transactions.
import type { Knex } from 'knex';
import type { Driver } from '../drivers/driver';
import type { KnexClient } from '../knex/client-shape';
import type { OpenTransaction, ResetOptions, ResetReport, ResettableOptions } from '../words/types';
import type { Deferred } from '../words/waiting';
import type { Ambient, EnclosingTransaction } from './ambient';
import type { ResettablePool } from './resettable-pool';
import type { Connection } from '../connection/connection';
import type { CallSite } from '../words/call-site';

/** An outermost transaction that is open, as a reset and the diagnostics see it. */
export interface OpenEntry {
  readonly connection: Connection;
  readonly openedAt: number;
  /** Set: a sandbox holds it open, so it is no leak. */
  readonly sandbox: SandboxOwner | undefined;
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

export type Settings = ResettableOptions &
  Required<Pick<ResettableOptions, 'graceMillis' | 'timeoutMillis' | 'onFatal' | 'checkTimeoutMillis'>>;

/** A transaction that is held open by this package itself, for a sandbox: only ever rolled back. */
export interface SandboxTransaction {
  /** What the queries inside run in. */
  readonly enclosing: EnclosingTransaction;
  /** Why nothing more may be asked in it, where that is so. */
  readonly doom: unknown;
  /** Something of it runs, or waits for its turn. */
  readonly isBusy: boolean;
  /** Holds a savepoint open inside it, for a sandbox of its own. */
  nest(holder: SandboxOwner, stack: CallSite): Promise<SandboxTransaction>;
  /** The user's transactions inside that are open or about to be. */
  describeInside(): OpenTransaction[];
  /**
   * Rolls everything back, having cancelled what runs.
   * @param constraintCheck sent before, while nothing runs; what it fails of is returned
   */
  letGo(constraintCheck: string | undefined): Promise<unknown>;
}

/** What a held transaction tells of. */
export interface SandboxOwner {
  /** The queries of the instance that are in it or wait for their turn. */
  readonly guests: Set<Guest>;
  /** What COMMIT would refuse is refused where a transaction of the app's commits. */
  readonly checksConstraints: boolean;
  /** A statement has ended it behind its back. Returns what later ones are refused with. */
  escaped(sql: string): Error;
  /** It was let go. Returns what later ones are refused with. */
  closed(): Error;
}

/** A query of the instance, or a connection taken by hand, that is in a sandbox or waits for its turn there. */
export interface Guest {
  /** The query's text; undefined for a connection taken by hand. */
  readonly sql: string | undefined;
  /** The user's frames where it was asked. */
  readonly stack: string;
}

/** Ends transactions that take too long. */
export interface TransactionLimit {
  /** One has its connection. */
  begun(transaction: OpenEntry): void;
}

export interface Instance {
  readonly knex: Knex;
  readonly client: KnexClient;
  readonly driver: Driver;
  readonly pool: ResettablePool;
  readonly settings: Settings;
  readonly open: Set<OpenEntry>;
  readonly ambient: Ambient;
  /** Set with `transactionTimeoutMillis`. */
  readonly transactionLimit?: TransactionLimit | undefined;
  /** The built-in classifier, or the user's override of it. */
  isFatal(error: unknown): boolean;
  /** Blocks between two attempts: a reset rejects them. */
  readonly pausedRetries: Set<Deferred<never>>;
  /** How many resets there have been. */
  resets: number;
  /** What the last reset does with pending acquires. */
  latestReset: { reason: string | undefined; waiting: 'reject' | 'requeue' } | undefined;
  /** The fatal error that the latest reset by `onFatal: 'reset'` was made for, and which reset that was. */
  fatalReset?: { error: unknown; number: number };
  /** An outermost transaction has its connection, or needs it no more. */
  opened(entry: OpenEntry): void;
  closed(entry: OpenEntry): void;
  reset(options: ResetOptions): Promise<ResetReport>;
  /** @param stack where it was asked for */
  hold(holder: SandboxOwner, stack: CallSite): Promise<SandboxTransaction>;
}

/** A transaction that is not registered: begun before the instance was resettable, or by hand. */
export function describeUnregistered(
  connection: Connection,
  id: string,
  state: OpenTransaction['state'],
): OpenTransaction {
  return {
    id,
    label: undefined,
    backendId: connection.backendId,
    openedAt: new Date(connection.lent ? connection.lease.since : connection.openedAt),
    ageMillis: Date.now() - (connection.lent ? connection.lease.since : connection.openedAt),
    depth: 1,
    state,
    lastSql: connection.lastSql,
    stack: '',
  };
}
