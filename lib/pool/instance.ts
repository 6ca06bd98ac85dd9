// What all parts of one resettable instance share: its pool, its driver, its options, and the register of open transactions.
import type { Knex } from 'knex';
import type { Driver } from '../drivers/driver';
import type { KnexClient } from '../knex/insides';
import type { OpenTransaction, ResetOptions, ResetReport, ResettableOptions } from '../types';
import type { Ambient } from './ambient';
import type { ResettablePool } from './resettable-pool';
import type { Session } from './session';

/** An outermost transaction that is open, as a reset and the diagnostics see it. */
export interface OpenEntry {
  readonly session: Session;
  readonly openedAt: number;
  /** COMMIT was sent, its answer is not there yet. */
  readonly isCommitting: boolean;
  /** Its outcome is known. */
  readonly isOver: boolean;
  /** Resolves with that. */
  readonly whenDecided: Promise<void>;
  describe(): OpenTransaction;
  /** Ends it for its holders; the server's side is the caller's business. Its promise is settled by `settle()` or when its callback ends. */
  abort(error: Error): void;
  /** Settles what `abort()` left open. */
  settle(): void;
  /** Resolves when it holds its connection no more. */
  readonly whenOver: Promise<void>;
}

export type Settings = ResettableOptions &
  Required<Pick<ResettableOptions, 'graceMillis' | 'timeoutMillis' | 'onFatal' | 'checkTimeoutMillis'>>;

export interface Instance {
  readonly knex: Knex;
  readonly client: KnexClient;
  readonly driver: Driver;
  readonly pool: ResettablePool;
  readonly settings: Settings;
  readonly open: Set<OpenEntry>;
  readonly ambient: Ambient;
  /** The built-in classifier, or the user's override of it. */
  isFatal(error: unknown): boolean;
  /** How many resets there have been. */
  resets: number;
  /** An outermost transaction has its connection, or needs it no more. */
  opened(entry: OpenEntry): void;
  closed(entry: OpenEntry): void;
  reset(options: ResetOptions): Promise<ResetReport>;
}

/** A transaction of a connection that nobody registered: begun before the instance was resettable, or by hand. */
export function describeUnregistered(session: Session, id: string, state: OpenTransaction['state']): OpenTransaction {
  return {
    id,
    label: undefined,
    backendId: session.backendId,
    openedAt: new Date(session.lentAt || session.openedAt),
    ageMillis: Date.now() - (session.lentAt || session.openedAt),
    depth: 1,
    state,
    lastSql: session.lastSql,
    stack: '',
  };
}
