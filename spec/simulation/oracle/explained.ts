// Nobody fails without a reason: each rejection is explained by what the schedule did.
import { type Asked, type Attempt, type Unit, codeOf } from '../run/ledger';
import { OwnError } from '../run/own-error';
import type { Evidence } from '../run/run';
import type { Schedule } from '../schedule/schedule';
import { Verdict, type Violation } from './violation';

const CALM = new Set(['ask', 'block', 'transaction', 'stream', 'by hand', 'callback']);
const RESETS = new Set([...CALM, 'reset']);
/** Whatever the weather: errors of the workload's own statements, and of its own misuse. */
const ORDINARY = new Set([
  '23505',
  '22012',
  '40P01',
  '25P02',
  '25006',
  '3B001',
  '25P01',
  'ERR_BLOCK_CONTROL',
  'ERR_TRANSACTION_FAILED',
  'ERR_AFTER_COMMIT',
]);

export function rejectionsAreExplained({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('explained');
  if (!schedule.steps.every(({ action }) => RESETS.has(action.act))) return [];
  const hasReset = JSON.stringify(schedule).includes('"reset"');
  for (const record of [...ledger.units, ...ledger.asked]) {
    if (record.told.is !== 'failed') continue;
    const { error } = record.told;
    // What is asked on a connection that is given back meanwhile is stopped.
    if (('token' in record ? record.attempt.unit : record).kind === 'by hand') continue;
    verdict.hold(isExplained(error, record, hasReset, schedule), () => `${nameOf(record)} was told ${String(error)}`);
  }
  return verdict.violations;
}

function nameOf(record: Unit | Asked): string {
  return 'token' in record ? `t${record.token}` : record.name;
}

function isExplained(error: unknown, record: Unit | Asked, hasReset: boolean, schedule: Schedule): boolean {
  const code = codeOf(error);
  if (error instanceof OwnError || (code !== undefined && ORDINARY.has(code))) return true;
  // A signal may be aborted with null.
  if (error === null && isSignalled(record)) return true;
  // The handle was used after its end.
  const text = String(error);
  if (/Transaction query already complete|given up|Transaction rejected|is finished, so the hook/.test(text))
    return true;
  // Waiting for a connection or its turn took too long, which it may where others hold on to theirs.
  if (/KnexTimeoutError/.test(text)) return true;
  // The driver's own pool says so in its own words.
  if (schedule.setting.owner === 'pg' && text.includes('timeout exceeded when trying to connect')) return true;
  if (!('token' in record) && nestedOf(record).some((inner) => isPassedOn(error, inner, hasReset, schedule)))
    return true;
  const isLimited = limits(record) || schedule.setting.options.transactionTimeoutMillis !== undefined;
  if (isLimited && (code === 'ERR_TRANSACTION_TIMEOUT' || code === '57014' || code === 'ERR_COMMIT_UNKNOWN'))
    return true;
  // What a callback has left running is stopped when it has thrown.
  if (code === '57014' && isLeftRunning(record, 'token' in record ? record.attempt : record.parent)) return true;
  // At the end of a schedule all that is left is reset.
  if (code === 'ERR_RESET') return true;
  return hasReset && (code === 'ERR_COMMIT_UNKNOWN' || code === '57014');
}

const nestedOf = ({ attempts }: Unit) => attempts.flatMap(({ nested }) => nested);

/** It is the very error that a unit inside was told, and has its reason there. */
function isPassedOn(error: unknown, inner: Unit, hasReset: boolean, schedule: Schedule): boolean {
  if (inner.told.is !== 'failed' || inner.told.error !== error) return false;
  return isExplained(error, inner, hasReset, schedule);
}

/** The callback that it was asked in, or one around that, had ended when it was told. */
function isLeftRunning(record: Unit | Asked, attempt: Attempt | undefined): boolean {
  if (!attempt) return false;
  const { told } = record;
  const { ended, unit } = attempt;
  if (ended && told.is === 'failed' && ended.order < told.order) return true;
  return isLeftRunning(record, unit.parent);
}

/** The unit, or one around it, has a signal. */
function isSignalled(record: Unit | Asked): boolean {
  const unit = 'token' in record ? record.attempt.unit : record;
  return unit.hasSignal === true || (unit.parent !== undefined && isSignalled(unit.parent.unit));
}

/** The unit, or one around it, has a limit or a signal. */
function limits(record: Unit | Asked): boolean {
  const unit = 'token' in record ? record.attempt.unit : record;
  if (unit.limitMillis !== undefined || unit.hasSignal) return true;
  return unit.parent !== undefined && limits(unit.parent.unit);
}
