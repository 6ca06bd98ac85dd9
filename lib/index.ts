// The public names of `knex-reset`.
export { isFatal, isRetryable } from './drivers/error-codes';
export {
  AfterCommitError,
  BlockControlError,
  CommitUnknownError,
  DurableError,
  KnexResetError,
  MigrationLockError,
  ResetError,
  SandboxError,
  TransactionFailedError,
  TransactionTimeoutError,
} from './errors';
export { atomic, resettable } from './resettable';
export type {
  Atomic,
  AtomicOptions,
  AtomicTransaction,
  Awaitable,
  ConnectionState,
  LeakReport,
  OpenTransaction,
  ResetOptions,
  ResetReport,
  Resettable,
  ResettableOptions,
  RetryOptions,
  Sandbox,
  SandboxOptions,
  TransactionEvent,
  TransactionHook,
  TransactionHookContext,
  TransactionHooks,
} from './types';
