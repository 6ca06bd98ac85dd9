// Every error of this package, one class for each code. A message says what happened to which transaction, and no more.
import { shown } from './describe';
import { read } from './foreign';
import { type ErrorDetails, KnexResetError, nameErrors } from './base-error';

export { KnexResetError };

/**
 * A reset, or `destroy()`, aborted this query or transaction.
 * @see docs/errors.md#err_reset
 */
export class ResetError extends KnexResetError {
  static readonly code = 'ERR_RESET';
  /** What was given to `resetConnection()`; `'destroy'` after `knex.destroy()`. */
  readonly reason: string | undefined;
  /** The number of the reset: 1, 2, … */
  readonly generation: number;

  constructor(details: ErrorDetails & { reason: string | undefined; generation: number }) {
    const { reason, generation, transaction } = details;
    const what = transaction ? `transaction ${shown(transaction.label ?? transaction.id)} was aborted` : 'aborted';
    super(`${what} by a connection reset${reason ? ` (${shown(reason)})` : ''}`, ResetError.code, details);
    this.reason = reason;
    this.generation = generation;
  }
}

/**
 * The server rolled back although the callback returned. `cause` is the first error of a statement.
 * @see docs/errors.md#err_transaction_failed
 */
export class TransactionFailedError extends KnexResetError {
  static readonly code = 'ERR_TRANSACTION_FAILED';

  constructor(message: string, details: ErrorDetails) {
    super(message, TransactionFailedError.code, details);
  }
}

/**
 * A transaction ran past its time limit and is rolled back.
 * @see docs/errors.md#err_transaction_timeout
 */
export class TransactionTimeoutError extends KnexResetError {
  static readonly code = 'ERR_TRANSACTION_TIMEOUT';

  constructor(label: string, timeoutMillis: number, details?: ErrorDetails) {
    const message = `transaction ${shown(label)} ran past its timeout of ${timeoutMillis} ms`;
    super(message, TransactionTimeoutError.code, details);
  }
}

/**
 * The connection was lost after COMMIT was sent: the data is stored or not. `cause` is what ended the connection.
 * @see docs/errors.md#err_commit_unknown
 */
export class CommitUnknownError extends KnexResetError {
  static readonly code = 'ERR_COMMIT_UNKNOWN';
  /** The id of the transaction on the server, if `verifyCommit` recorded it. For `pg_xact_status()`. */
  declare readonly xid?: string;

  constructor(label: string, details: ErrorDetails & { xid?: string | undefined }) {
    super(
      `the connection was lost after COMMIT of transaction ${shown(label)} was sent: it may be committed or not`,
      CommitUnknownError.code,
      details,
    );
    if (details.xid !== undefined) this.xid = details.xid;
  }
}

/**
 * The data is stored, but `afterCommit` hooks threw.
 * @see docs/errors.md#err_after_commit
 */
export class AfterCommitError extends KnexResetError {
  static readonly code = 'ERR_AFTER_COMMIT';
  /** Always `true`: the data is stored. */
  readonly committed = true;
  /** What the hooks threw, in their order. */
  readonly errors: unknown[];
  /** What the block returned. */
  readonly result: unknown;

  constructor(label: string, errors: unknown[], result: unknown) {
    super(
      `transaction ${shown(label)} is committed, but ${errors.length} afterCommit hook(s) threw`,
      AfterCommitError.code,
      {
        cause: errors[0],
      },
    );
    this.errors = errors;
    Object.defineProperty(this, 'result', { value: result, enumerable: false });
  }
}

/**
 * A `durable` block was started inside another transaction. No SQL was sent.
 * @see docs/errors.md#err_durable
 */
export class DurableError extends KnexResetError {
  static readonly code = 'ERR_DURABLE';

  constructor(label: string) {
    super(
      `a durable block must be outermost, but it was started inside transaction ${shown(label)}`,
      DurableError.code,
    );
  }
}

/**
 * The code in a block sent COMMIT or ROLLBACK itself.
 * @see docs/errors.md#err_block_control
 */
export class BlockControlError extends KnexResetError {
  static readonly code = 'ERR_BLOCK_CONTROL';

  constructor(message: string) {
    super(message, BlockControlError.code);
  }
}

/**
 * A sandbox cannot be used like this, was ended by the code under test or by a reset, or is closed.
 * @see docs/errors.md#err_sandbox
 */
export class SandboxError extends KnexResetError {
  static readonly code = 'ERR_SANDBOX';

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, SandboxError.code, details);
  }
}

/**
 * The migration lock was not free in time, or was lost.
 * @see docs/errors.md#err_migration_lock
 */
export class MigrationLockError extends KnexResetError {
  static readonly code = 'ERR_MIGRATION_LOCK';

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, MigrationLockError.code, details);
  }
}

nameErrors({
  ResetError,
  TransactionFailedError,
  TransactionTimeoutError,
  CommitUnknownError,
  AfterCommitError,
  DurableError,
  BlockControlError,
  SandboxError,
  MigrationLockError,
});

/** So many errors are kept: a program may throw one and the same error object again and again. */
const MOST_SUPPRESSED = 100;

/** Attaches a later error to the first one as `suppressed`. Values that cannot have properties are not changed. */
export function suppress(first: unknown, later: unknown): void {
  if (typeof first !== 'object' || first === null || first === later || !Object.isExtensible(first)) return;
  if (read(first, 'cause') === later) return;
  // That of a SuppressedError is the language's, and no array.
  const suppressed = read(first, 'suppressed');
  const list = Array.isArray(suppressed) ? suppressed : suppressed === undefined ? [] : [suppressed];
  if (list.length < MOST_SUPPRESSED && !list.includes(later)) list.push(later);
  Reflect.set(first, 'suppressed', list);
}
