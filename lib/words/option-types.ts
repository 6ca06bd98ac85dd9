// The public types of the options of an instance, of a reset and of a sandbox. Times are in milliseconds, at most 2^31 - 1.
import type { TransactionHooks } from './hook-types';
import type { OpenTransaction } from './report-types';

/**
 * Options of `resettable()`.
 * @see docs/resetting.md#options-of-resettable
 */
export interface ResettableOptions {
  /**
   * How long a reset lets running work end by itself, in milliseconds.
   * @default 0
   */
  graceMillis?: number | undefined;
  /**
   * The upper bound of a reset after its grace, and of a rollback, in milliseconds.
   * @default 5000
   */
  timeoutMillis?: number | undefined;
  /**
   * What follows when a connection was lost. `'discard'`: nothing more. `'evict'`: connections that were opened before are closed,
   * busy ones when they come back. `'reset'`: `resetConnection()` runs.
   * @default 'evict'
   */
  onFatal?: 'discard' | 'evict' | 'reset' | undefined;
  /**
   * Decides whether an error ends the connection. `standard` is what the package would decide.
   * @default the exported `isFatal`
   */
  isFatal?: ((error: unknown, standard: boolean) => boolean) | undefined;
  /**
   * A connection that was idle for longer than this, in milliseconds, must answer before it is lent.
   * @default off
   */
  checkIdleMillis?: number | undefined;
  /**
   * The upper bound of that check, in milliseconds. A connection that does not answer in time is replaced.
   * @default 1000
   */
  checkTimeoutMillis?: number | undefined;
  /**
   * A transaction that is open for longer than this, in milliseconds, is given to `onLeak`. Costs a stack for each query.
   * @default off
   */
  leakAfterMillis?: number | undefined;
  /**
   * Called once for each transaction that is older than `leakAfterMillis`.
   * @default nothing is called
   */
  onLeak?: ((transaction: OpenTransaction) => void) | undefined;
  /**
   * Whether queries made with the instance inside a block run in that block.
   * @default false
   */
  ambient?: boolean | undefined;
  /**
   * Hooks of every block and plain transaction of this instance.
   * @default none
   */
  hooks?: TransactionHooks | undefined;
  /**
   * The time limit, in milliseconds, of every outermost transaction that has none of its own: plain `db.transaction()` in all its forms,
   * forgotten handles, blocks without `timeoutMillis`. After it the running statement is cancelled and the transaction is rolled back;
   * its promise, and what is asked of it later, rejects with `TransactionTimeoutError`. It counts from the moment when the transaction has
   * its connection. The transaction of a sandbox is exempt, those inside it are not.
   * @default off
   */
  transactionTimeoutMillis?: number | undefined;
  /**
   * The kind of server that connections have to lead to, as libpq has it. One that turns out to be to another kind is closed when it is opened,
   * and a connection function in the config is asked again. With `'read-write'` and `'primary'`, a statement that is refused because
   * the server has become read-only is a fatal error, unless its transaction is `readOnly`. MySQL and MariaDB have `'read-write'` and `'read-only'`.
   * @default 'any'
   */
  targetSessionAttrs?: 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | undefined;
}

/**
 * Options of `db.resetConnection()`.
 * @see docs/resetting.md#resetconnection
 */
export interface ResetOptions {
  /**
   * A text for the report and for the errors of what is aborted.
   * @default none
   */
  reason?: string | undefined;
  /**
   * How long running transactions and queries may end by themselves, in milliseconds. Then the rest is aborted.
   * @default the instance's `graceMillis`, 0
   */
  graceMillis?: number | undefined;
  /**
   * The upper bound of the rest of the reset, in milliseconds.
   * @default the instance's `timeoutMillis`, 5000
   */
  timeoutMillis?: number | undefined;
  /**
   * `'close'` closes every connection. `'recycle'` cleans and keeps those that answer.
   * @default 'close'
   */
  connections?: 'close' | 'recycle' | undefined;
  /**
   * What happens to queries that wait for a connection. `'reject'`: they reject with `ResetError`. `'requeue'`: they run after the reset.
   * @default 'reject'
   */
  waiting?: 'reject' | 'requeue' | undefined;
}

/**
 * Options of `db.sandbox()` and `db.openSandbox()`.
 * @see docs/tests.md#sandboxes-by-hand
 */
export interface SandboxOptions {
  /**
   * Whether deferred constraints are checked where an outermost transaction of the app commits, and at the end. PostgreSQL only.
   * @default true
   */
  checkConstraints?: boolean | undefined;
  /**
   * `true`: everything that is asked of the instance is in the sandbox. `false`: only what `sandbox.run()` runs is.
   * `db.sandbox(body)` never pins.
   * @default true for `openSandbox()`
   */
  pinned?: boolean | undefined;
}

/**
 * What test runners pass to a hook, and what is ignored: mocha's and jest's callback, and the contexts of vitest, node:test, ava, tap,
 * Cucumber, lab and QUnit (in this order).
 * Named by what they have, so that options with a misspelt name are none of them.
 */
export type RunnerArgument =
  | ((...args: never[]) => unknown)
  | { readonly task: object; readonly onTestFailed: unknown }
  | { readonly name: string; readonly signal: AbortSignal }
  | { readonly title: string; readonly log: unknown }
  | { readonly fullname: string; readonly name: string }
  | { readonly pickle: object }
  | { readonly note: (text: string) => unknown }
  | { readonly verifySteps: unknown };
