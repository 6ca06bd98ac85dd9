// What a test begins with and what is undone after it. There is one class for each kind of isolation.
import type { Knex } from 'knex';
import type { Recording } from '../diagnostics/recording';
import type { Ambient } from '../pool/ambient';
import type { OpenEntry } from '../pool/open-entry';
import type { ResettablePool } from '../pool/resettable-pool';
import type { Resets } from '../pool/resets';
import type { Settings } from '../words/options';
import type { LeakReport, Resettable, Sandbox } from '../words/types';

/** A connection, as the pool knows it. */
export type Connection = Parameters<ResettablePool['register']['discard']>[0];
export type { OpenEntry };

export type IsolationKind = 'reset' | 'recycle' | 'sandbox' | 'clean';

/** What is open at a moment: the ids of transactions, and the leases of connections that are held and at rest. */
export type OpenThings = ReadonlySet<string | object>;

/** What one test begins with, and what is undone after it. */
export interface Isolation {
  /** Whether the end of a test does something that can fail. Then it is done also with `leaks: 'ignore'`. */
  readonly hasEnd: boolean;
  /** Makes everything clean for a test, whatever the one before has left. */
  open(): Promise<void>;
  /**
   * Ends what the test has left open, and says what it was.
   * @param earlier what `openNow()` said before it began: that is not the test's
   */
  close(earlier: OpenThings): Promise<LeakReport>;
  openNow(): OpenThings;
  /** The test has something open, which would be a leak if this were its end. */
  hasOpen(earlier: OpenThings): Promise<boolean>;
  /** The isolation of a test inside the running one. */
  nest(): Isolation;
}

/** The same for all tests of an instance, one after the other. */
export interface InstanceIsolation extends Isolation {
  /** Destroys the instance. It opens again where it is asked. */
  end(): Promise<void>;
}

/** What the hooks need from the rest of an instance. */
export interface InstanceUnderTest {
  readonly settings: Settings;
  readonly pool: ResettablePool;
  readonly open: Iterable<OpenEntry>;
  readonly resets: Resets;
  readonly ambient: Ambient;
  readonly recording: Recording;
  /** Ends these uses alone, as a reset does with all. */
  endSome(connections: Connection[], entries: OpenEntry[], reason: string): Promise<void>;
}

/** What hooks are made for. */
export interface Hooked {
  db: Knex & Resettable;
  instance: InstanceUnderTest;
  /** How long `emptyTables()` may wait for a lock. */
  lockMillis: number;
  /** Deletes what is committed. */
  emptyTables(): Promise<unknown>;
  /** Opens a sandbox inside another. */
  nestSandbox(outer: Sandbox): Promise<Sandbox>;
}
