// The public names of `knex-reset`.
export { atomic } from './atomic-from-anywhere';
export { afterCommit, afterRollback, beforeCommit } from './hooks-from-anywhere';
export { isFatal, isRetryable } from './drivers/fatal-errors';
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
} from './words/errors';
export { resettable } from './resettable';
export type {
  Atomic,
  AtomicOptions,
  AtomicTransaction,
  Awaitable,
  RetryOptions,
  TransactionHook,
  TransactionHookContext,
  TransactionHooks,
} from './words/block-types';
export type {
  ConnectionState,
  LeakReport,
  OpenTransaction,
  ResetOptions,
  ResetReport,
  Resettable,
  ResettableOptions,
  Sandbox,
  SandboxOptions,
  TransactionEvent,
} from './words/types';
