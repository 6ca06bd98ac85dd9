// Every hook of a transaction, with what is true of it. Its type and its text for users are in words/hook-types.ts.
import type { TransactionHooks } from '../words/block-types';

interface Row {
  /** It can be registered in a transaction that has begun, as well as given with the options. */
  readonly isLate?: true;
  /** It hears of the transaction as a whole: once, however many of its blocks have it. */
  readonly isOnce?: true;
}

export type HookKind = keyof TransactionHooks;

export const HOOKS = {
  afterBegin: {},
  beforeCommit: { isLate: true },
  afterCommit: { isLate: true },
  afterRollback: { isLate: true },
  onFatal: { isOnce: true },
  onRetry: { isOnce: true },
  afterUnknown: { isOnce: true },
} as const satisfies Record<HookKind, Row>;

/** What can be registered in a transaction that has begun. */
export type LateHook = { [K in HookKind]: (typeof HOOKS)[K] extends { isLate: true } ? K : never }[HookKind];

const rows: Readonly<Record<HookKind, Row>> = HOOKS;

export const HOOK_KINDS = Object.keys(HOOKS) as readonly HookKind[];

export const LATE_HOOKS = HOOK_KINDS.filter((kind) => rows[kind].isLate) as readonly LateHook[];

export function isOnce(kind: HookKind): boolean {
  return rows[kind].isOnce === true;
}
