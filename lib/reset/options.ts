// The options of one reset, checked, with the instance's defaults.
import { checkOptions, ignoreRunnerArgument, millis, oneOf, type Settings, text } from '../words/options';
import type { ResetOptions } from '../words/types';

export type ResetRequest = Required<Omit<ResetOptions, 'reason'>> & { readonly reason: string | undefined };

interface Shared {
  readonly request: ResetRequest;
  readonly report: { reason: string | undefined };
}

/** A call joins a reset that is under way. If one of them closes connections, none is recycled. */
export function join({ request, report }: Shared, { connections, reason }: ResetRequest): void {
  if (connections === 'close') request.connections = connections;
  report.reason ??= reason;
}

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
