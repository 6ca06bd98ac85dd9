// The options of one reset, checked, with the instance's defaults; and the report that it begins with.
import { checkOptions, ignoreRunnerArgument, millis, oneOf, type Settings, text } from '../words/options';
import type { ResetOptions, ResetReport } from '../words/types';

export type ResetRequest = Required<Omit<ResetOptions, 'reason'>> & { readonly reason: string | undefined };

const RESET_CHECKS = {
  reason: text,
  graceMillis: millis,
  timeoutMillis: millis,
  connections: oneOf('close', 'recycle'),
  waiting: oneOf('reject', 'requeue'),
};

/** @throws TypeError for anything but options of a reset; what a test runner passes to its hooks does not count */
export function checkResetOptions(given: unknown, { graceMillis, timeoutMillis }: Settings): ResetRequest {
  const options = checkOptions<ResetOptions>('resetConnection', ignoreRunnerArgument(given), RESET_CHECKS);
  return { reason: undefined, graceMillis, timeoutMillis, connections: 'close', waiting: 'reject', ...options };
}

export function emptyReport(reason: string | undefined, generation: number): ResetReport {
  return {
    reason,
    generation,
    durationMillis: 0,
    abortedTransactions: [],
    abortedQueries: 0,
    rejectedWaiters: 0,
    requeuedWaiters: 0,
    closedConnections: 0,
    recycledConnections: 0,
    forcedConnections: 0,
  };
}
