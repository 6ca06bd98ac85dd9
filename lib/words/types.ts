// The public types of an instance: what `resettable()` adds to it. Options and reports are in files of their own, blocks in block-types.ts.
import type { Atomic, Awaitable } from './block-types';
import type { ResetOptions, RunnerArgument, SandboxOptions } from './option-types';
import type { ConnectionState, LeakReport, ResetReport } from './report-types';

export type { ResettableOptions, ResetOptions, SandboxOptions } from './option-types';
export type { ConnectionState, LeakReport, OpenTransaction, ResetReport, TransactionEvent } from './report-types';

/**
 * A sandbox that `db.openSandbox()` opened.
 * @see docs/tests.md#sandboxes-by-hand
 */
export interface Sandbox {
  /**
   * Runs `work` inside the sandbox, pinned or not, with everything that it starts in its async context. Returns what `work` returns.
   *
   * @example
   * const sandbox = await db.openSandbox({ pinned: false });
   * await sandbox.run(() => db('orders').insert({ item: 'book' }));
   *
   * @throws SandboxError (`ERR_SANDBOX`) after `close()`, and after a reset.
   * @see docs/tests.md#sandboxes-by-hand
   */
  run<T>(this: void, work: () => T): T;
  /**
   * Rolls back everything that was done since the sandbox was opened. Resolves with what was left open. A second call gives the same report.
   *
   * @example
   * const sandbox = await db.openSandbox();
   * await db('orders').insert({ item: 'book' });
   * const { transactions, queries } = await sandbox.close();
   *
   * @throws SandboxError (`ERR_SANDBOX`) when the code under test ended the sandbox with SQL of its own, or a reset did.
   * @throws the database's error when a deferred constraint is violated.
   * @see docs/tests.md#sandboxes-by-hand
   */
  close(this: void): Promise<LeakReport>;
}

/**
 * What `resettable()` adds to a Knex instance. `Knex & Resettable` is the type of the result.
 * @see docs/resetting.md
 */
export interface Resettable {
  /**
   * Aborts every open transaction, cancels what the server still runs for this instance, and closes every connection. The instance
   * stays: the next query opens a new connection. Committed data is not touched.
   *
   * | before | what happens |
   * | --- | --- |
   * | idle connections | closed, or cleaned with `connections: 'recycle'` |
   * | open transactions | rolled back; their promise rejects with `ResetError`. One in COMMIT gets time to hear the answer |
   * | running queries and streams | cancelled on the server; they reject with `ResetError` at once |
   * | queries that wait for a connection | reject with `ResetError`, or run after the reset with `waiting: 'requeue'` |
   * | later queries | wait for the end of the reset, then run on a new connection |
   * | event listeners, copies, `knex.migrate` | stay; all share the reset |
   *
   * When it resolves, the server holds no session and no lock of before. It ends within `graceMillis + timeoutMillis`.
   * Overlapping calls share one reset and one report: the shortest times hold, and if one closes connections, none is recycled; what was asked before a call fares as that call says. What a test runner passes to its hooks is ignored.
   *
   * @example
   * beforeEach(db.resetConnection);
   * @example
   * const report = await db.resetConnection({ reason: 'deploy', graceMillis: 1000 });
   *
   * @throws TypeError for bad arguments, and for nothing else.
   * @see docs/resetting.md#resetconnection
   */
  resetConnection(this: void, options?: ResetOptions | RunnerArgument): Promise<ResetReport>;
  /**
   * Runs `block` in a transaction. Resolves with its value once COMMIT is confirmed. Otherwise rolls back and rejects with its error.
   *
   * @example
   * const [order] = await db.atomic(async (trx) => {
   *   trx.afterCommit(() => sendMail());
   *   return trx('orders').insert({ item: 'book' }).returning('*');
   * });
   *
   * @throws CommitUnknownError (`ERR_COMMIT_UNKNOWN`) when the connection was lost after COMMIT was sent.
   * @throws TransactionFailedError (`ERR_TRANSACTION_FAILED`) when the server rolled back although the block returned.
   * @throws TransactionTimeoutError (`ERR_TRANSACTION_TIMEOUT`) when the block ran past its `timeoutMillis`.
   * @throws AfterCommitError (`ERR_AFTER_COMMIT`) when it is committed, but `afterCommit` hooks threw.
   * @throws ResetError (`ERR_RESET`) when a reset aborted it.
   * @see docs/transactions.md#dbatomicblock-options
   */
  atomic: Atomic;
  /**
   * Runs `body` in a sandbox: all that it does with this instance runs on one connection, in one transaction, which is rolled back
   * at the end. Several sandboxes can run at the same time.
   *
   * @example
   * await db.sandbox(async () => {
   *   await db('orders').insert({ item: 'book' });
   *   assert.equal((await db('orders')).length, 1);
   * });
   *
   * @throws SandboxError (`ERR_SANDBOX`) inside another sandbox, and when the code under test ended this one.
   * @see docs/tests.md#sandboxes-by-hand
   */
  sandbox<T>(this: void, body: () => Awaitable<T>, options?: SandboxOptions): Promise<T>;
  /**
   * Opens a sandbox for the whole instance until its `close()`: for hooks of a test runner. With `pinned: false`, only what
   * `sandbox.run()` runs is inside, and several sandboxes can be open at once.
   *
   * @example
   * const sandbox = await db.openSandbox();
   * await db('orders').insert({ item: 'book' });
   * await sandbox.close();
   *
   * @throws SandboxError (`ERR_SANDBOX`) when a pinned one is open already, and inside a sandbox or an ambient block.
   * @see docs/tests.md#sandboxes-by-hand
   */
  openSandbox(this: void, options?: SandboxOptions | RunnerArgument): Promise<Sandbox>;
  /**
   * Runs `work` outside of the `ambient` block or the sandbox that the call is in. What it asks of this instance goes to the pool, and is stored
   * for itself, whatever becomes of the block; `atomic()` in it is outermost. Where there is no block and no sandbox, `work` just runs.
   * It needs a connection of its own, beside that of the block: a pool with `max: 1` has none to give.
   *
   * @example
   * await db.outside(() => db('audit').insert({ what: 'tried to pay' })); // stays when the block is rolled back
   *
   * @throws TypeError when `work` is no function.
   * @see docs/transactions.md#outside
   */
  outside<T>(this: void, work: () => Awaitable<T>): Promise<T>;
  /**
   * What the instance holds at this moment: counters of the pool, and the open transactions. Sends nothing.
   *
   * @example
   * const { connections, transactions } = db.connectionState();
   * console.log(connections.inUse, transactions.map(({ lastSql }) => lastSql));
   *
   * @see docs/production.md#who-holds-my-connections
   */
  connectionState(this: void): ConnectionState;
}
