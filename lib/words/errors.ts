// Every error of this package. Recognised by a registered symbol, so that two installed copies know each other's errors.
import type { OpenTransaction } from './types';

const CODE = Symbol.for('knex-reset.error');
const TEXT = Symbol('knex-reset.message');

/** Knex assigns "SQL with bindings - message" to the message of whatever passes its query path: bindings stay out of our errors. */
const MESSAGE: PropertyDescriptor & ThisType<{ [TEXT]: string }> = {
  get() {
    return this[TEXT];
  },
  set() {},
  configurable: true,
};

interface Details {
  cause?: unknown;
  transaction?: OpenTransaction | undefined;
}

/** The base of all errors of this package. */
export class KnexResetError extends Error {
  /** What went wrong, for programs. */
  readonly code: string;
  /** Errors that came after this one and would have hidden it, oldest first. */
  declare suppressed?: unknown[];
  /** The transaction that it happened to, with where it was opened; where there was one. */
  declare readonly transaction?: OpenTransaction;

  constructor(message: string, code: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.transaction) this.transaction = details.transaction;
    Object.defineProperty(this, CODE, { value: code });
    Object.defineProperty(this, TEXT, { value: message });
    Object.defineProperty(this, 'message', MESSAGE);
  }

  static override [Symbol.hasInstance](this: object & { code?: string }, value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this as () => void, value)) return true;
    const code = (value as { [CODE]?: string } | null | undefined)?.[CODE];
    return code !== undefined && (this === KnexResetError || (Object.hasOwn(this, 'code') && this.code === code));
  }
}

/** A reset aborted this. */
export class ResetError extends KnexResetError {
  static readonly code = 'ERR_RESET';
  readonly reason: string | undefined;
  readonly generation: number;

  constructor(details: { reason: string | undefined; generation: number; transaction?: OpenTransaction | undefined }) {
    const { reason, generation, transaction } = details;
    const what = transaction ? `transaction ${transaction.label ?? transaction.id} was aborted` : 'aborted';
    super(`${what} by a connection reset${reason ? ` (${reason})` : ''}`, ResetError.code, { transaction });
    this.reason = reason;
    this.generation = generation;
  }
}

/** The server rolled back although the callback returned. */
export class TransactionFailedError extends KnexResetError {
  static readonly code = 'ERR_TRANSACTION_FAILED';

  constructor(message: string, details: Details) {
    super(message, TransactionFailedError.code, details);
  }
}

/** A block ran past its `timeoutMillis`. */
export class TransactionTimeoutError extends KnexResetError {
  static readonly code = 'ERR_TRANSACTION_TIMEOUT';

  constructor(label: string, timeoutMillis: number, transaction?: OpenTransaction) {
    const message = `transaction ${label} ran past its timeout of ${timeoutMillis} ms`;
    super(message, TransactionTimeoutError.code, { transaction });
  }
}

/** The connection was lost after COMMIT was sent: the data may be stored or not. */
export class CommitUnknownError extends KnexResetError {
  static readonly code = 'ERR_COMMIT_UNKNOWN';
  /** The transaction's id on the server, where `verifyCommit` recorded it. */
  declare readonly xid?: string;

  constructor(label: string, details: Details & { xid?: string | undefined }) {
    super(
      `the connection was lost after COMMIT of transaction ${label} was sent: it may be committed or not`,
      CommitUnknownError.code,
      details,
    );
    if (details.xid !== undefined) this.xid = details.xid;
  }
}

/** Committed, but hooks threw. */
export class AfterCommitError extends KnexResetError {
  static readonly code = 'ERR_AFTER_COMMIT';
  readonly committed = true;
  readonly errors: unknown[];
  /** What the block returned. */
  readonly result: unknown;

  constructor(label: string, errors: unknown[], result: unknown) {
    super(`transaction ${label} is committed, but ${errors.length} afterCommit hook(s) threw`, AfterCommitError.code, {
      cause: errors[0],
    });
    this.errors = errors;
    Object.defineProperty(this, 'result', { value: result, enumerable: false });
  }
}

/** A durable block inside another. */
export class DurableError extends KnexResetError {
  static readonly code = 'ERR_DURABLE';

  constructor(label: string) {
    super(`a durable block must be outermost, but it was started inside transaction ${label}`, DurableError.code);
  }
}

/** Commit or rollback by hand inside a block. */
export class BlockControlError extends KnexResetError {
  static readonly code = 'ERR_BLOCK_CONTROL';

  constructor(message: string) {
    super(message, BlockControlError.code);
  }
}

/** A sandbox that cannot work here, that was escaped from, or that is over. */
export class SandboxError extends KnexResetError {
  static readonly code = 'ERR_SANDBOX';

  constructor(message: string, details: Details = {}) {
    super(message, SandboxError.code, details);
  }
}

/** The migration lock could not be had in time. */
export class MigrationLockError extends KnexResetError {
  static readonly code = 'ERR_MIGRATION_LOCK';

  constructor(message: string, details: Details = {}) {
    super(message, MigrationLockError.code, details);
  }
}

for (const type of [
  KnexResetError,
  ResetError,
  TransactionFailedError,
  TransactionTimeoutError,
  CommitUnknownError,
  AfterCommitError,
  DurableError,
  BlockControlError,
  SandboxError,
  MigrationLockError,
]) {
  Object.defineProperty(type.prototype, 'name', { value: type.name, configurable: true, writable: true });
}

/** Attaches to an error what came after it and would have hidden it; what cannot carry it is left alone. */
export function suppress(first: unknown, later: unknown): void {
  if (typeof first !== 'object' || first === null || first === later || !Object.isExtensible(first)) return;
  const error = first as { suppressed?: unknown[]; cause?: unknown };
  if (error.cause === later) return;
  const list = Array.isArray(error.suppressed) ? error.suppressed : [];
  if (!list.includes(later)) list.push(later);
  error.suppressed = list;
}
