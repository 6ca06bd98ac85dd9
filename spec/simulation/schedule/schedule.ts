// A schedule: all that an application does, and all that happens to it, as plain data. What it does not say is drawn from its seed.
import type { ResetOptions, ResettableOptions } from '../../../lib';
import type { Hurt } from '../network/hurt';
import type { Ambush } from '../server/ambush';

export interface Schedule {
  seed: number;
  setting: Setting;
  steps: Step[];
}

/** How the instance was made. */
export interface Setting {
  /** The server is reached by an address, or through a `stream` factory only. */
  way: 'factory' | 'address';
  fragmentation: number;
  /** So many of its links are slow: what is sent on another one overtakes them. */
  slowLinks?: number;
  /** The server gives the id of a process that is gone to the next one. */
  reusesPids?: boolean;
  /** The pool is the user's own (`connectionPool`): that of a plain instance, or one of the driver's. */
  owner?: 'knex' | 'pg';
  /** The copy (`withUserParams()`) was made before the instance became resettable. */
  copyIsOlder?: boolean;
  poolMin: number;
  poolMax: number;
  acquireMillis: number;
  options: Pick<
    ResettableOptions,
    | 'graceMillis'
    | 'timeoutMillis'
    | 'onFatal'
    | 'checkIdleMillis'
    | 'checkTimeoutMillis'
    | 'leakAfterMillis'
    | 'ambient'
    | 'transactionTimeoutMillis'
    | 'targetSessionAttrs'
  >;
  /** Code of others that the instance calls, and what it does. */
  foreign: Foreign;
}

export interface Foreign {
  /** The instance's own hooks are written down, and may throw or ask. */
  hooks?: 'watch' | 'throw' | 'hang';
  isFatal?: 'standard' | 'throw' | 'never';
  onLeak?: 'throw';
  /** A listener of knex's `query` events. */
  listener?: 'throw';
  afterCreate?: 'ask' | 'fail';
  /** Every nth connection's `end()` throws. */
  endThrows?: number;
}

export interface Step {
  /** Since the step before, which may still be under way. */
  afterMillis: number;
  action: Action;
}

export interface Statement {
  ask: 'insert' | 'insert key' | 'update' | 'select' | 'sleep' | 'divide' | 'series';
  /** The key, the slot, the milliseconds, the rows. */
  number: number;
  /** Through the extended protocol. */
  hasBindings: boolean;
}

/** Awaited; awaited, and its failure ignored; not awaited. */
export type How = 'await' | 'swallow' | 'float';

/** One piece of a transaction's callback. */
export type Part =
  | { part: 'ask'; statement: Statement; how: How }
  | { part: 'nest'; form: 'block' | 'joined' | 'transaction'; body: Part[]; how: How; options?: BlockOptions }
  | { part: 'together'; parts: Part[] }
  | { part: 'pause'; millis: number }
  | { part: 'throw' }
  | { part: 'hang' }
  | { part: 'raw'; sql: 'commit' | 'rollback' | 'rollback and chain' }
  | { part: 'control'; call: 'commit' | 'rollback'; how: How }
  | { part: 'hook'; hook: 'beforeCommit' | 'afterCommit' | 'afterRollback'; does: 'nothing' | 'ask' | 'throw' | 'hang' }
  | { part: 'stream'; rows: number; read: number }
  /** A statement that is stored for itself, whatever becomes of what is around it. */
  | { part: 'outside'; statement: Statement; how: How }
  /** A sandbox inside another: a savepoint that is undone. */
  | { part: 'sandbox'; body: Part[] }
  | { part: 'reset'; options: ResetOptions };

export type AbortMoment =
  | 'given'
  | 'afterBegin'
  | 'callback'
  | 'returned'
  | 'beforeCommit'
  | 'afterCommit'
  | 'afterRollback';

export interface BlockOptions {
  timeoutMillis?: number;
  attempts?: number;
  /** What `retry.when` says. */
  when?: 'always' | 'never' | 'throw';
  verifyCommit?: boolean;
  readOnly?: boolean;
  /** A signal is aborted so long after the block was asked for. */
  abortAfterMillis?: number;
  /** A signal is aborted at that moment: before it is given, in a hook, or as the callback begins or has ended. */
  abortAt?: AbortMoment;
  /** The signal's reason is null. */
  abortsWithNull?: boolean;
}

export type Action =
  | { act: 'ask'; statement: Statement; onCopy: boolean }
  | { act: 'block'; body: Part[]; options: BlockOptions; onCopy: boolean }
  | {
      act: 'transaction';
      form: 'callback' | 'handle';
      body: Part[];
      end: 'commit' | 'rollback' | 'leave';
      onCopy: boolean;
    }
  | { act: 'stream'; rows: number; read: number; onCopy: boolean }
  | { act: 'by hand'; statements: Statement[]; pauseMillis: number; gives: 'back' | 'early' | 'nothing' }
  /** A query with a Node callback on a connection taken by hand; the callback may throw. */
  | { act: 'callback'; statement: Statement; throws: boolean }
  | { act: 'sandbox'; form: 'body' | 'open' | 'apart'; body: Part[]; onCopy: boolean }
  | { act: 'reset'; options: ResetOptions; onCopy: boolean }
  | { act: 'destroy' }
  | { act: 'initialize' }
  | { act: 'ambush'; ambush: Ambush }
  | { act: 'hurt'; link: number; how: Hurt }
  | { act: 'crash'; downMillis: number }
  /** It comes back as a standby, for so long. */
  | { act: 'demote'; downMillis: number; millis: number }
  | { act: 'freeze'; millis: number }
  | { act: 'unreachable'; how: 'refused' | 'silent'; millis: number }
  | { act: 'terminate'; backend: number; code: string }
  | { act: 'stall'; millis: number };
