// Whoever is told something is told the truth about it: his own value, his own rows, his own error.
import type { Ledger, Moment, Unit } from '../run/ledger';
import { codeOf } from '../run/ledger';
import type { Evidence } from '../run/run';
import { OwnError } from '../run/own-error';
import { Verdict, type Violation } from './violation';

const VALUES = new Set(['block', 'joined', 'transaction', 'handle']);

export function answersAreOnesOwn({ ledger }: Evidence): Violation[] {
  const verdict = new Verdict('own answer');
  for (const { told, token, sql } of ledger.asked) {
    if (told.is !== 'done' || sql.includes('generate_series')) continue;
    const row = (told.value as { rows?: { token?: unknown }[] } | undefined)?.rows?.[0];
    verdict.hold(Number(row?.token) === token, () => `t${token} was answered with ${JSON.stringify(row)}`);
  }
  for (const unit of ledger.units) {
    const { told, name, kind, attempts } = unit;
    if (told.is === 'done' && VALUES.has(kind) && !attempts.at(-1)?.isGivenUp) {
      verdict.hold(told.value === name, () => `${name} resolved with ${String(told.value)}`);
      verdict.hold(!attempts.at(-1)?.ended?.threw, () => `${name} resolved, though its callback threw`);
      verdict.hold(attempts.at(-1)?.ended !== undefined, () => `${name} resolved, though its callback has not ended`);
    }
    if (told.is === 'failed') firstErrorWins(verdict, unit, ledger);
  }
  return verdict.violations;
}

/** A sandbox around it was closed by then, or ended by raw SQL, which everything in it is told. */
function isSandboxOver({ pins, units }: Ledger, { order }: Moment): boolean {
  if (pins.some(({ closing }) => closing && closing.order < order)) return true;
  return units.some(({ attempts }) => attempts.some(({ rawControl }) => rawControl && rawControl.order < order));
}

/** Its connection was lost before, which is what it was told; a hook that hung has held that up. */
function hasDiedBefore(error: unknown, { order }: Moment, { events }: Ledger): boolean {
  return events.some((told) => told.event === 'fatal' && told.error === error && told.order < order);
}

/** It is tried again, since its connection was lost before: one more attempt may have failed before its callback began. */
function isTriedAgain({ attempts, name, triesAfterLoss = 1 }: Unit, { order }: Moment, { events }: Ledger): boolean {
  const isLost = events.some((told) => told.event === 'fatal' && told.transaction.label === name && told.order < order);
  return isLost && attempts.length < triesAfterLoss;
}

/** What the callback threw comes out, unless the unit was ended from outside before. */
function firstErrorWins(verdict: Verdict, unit: Unit, ledger: Ledger): void {
  const { told, attempts, name, kind, tries = 1 } = unit;
  // One more attempt failed before its callback began.
  if (attempts.length < tries) return;
  if (told.is !== 'failed' || kind === 'sandbox') return;
  const ended = attempts.at(-1)?.ended;
  const error = ended?.threw?.error;
  if (!ended || !(error instanceof OwnError) || ended.order > told.order) return;
  if (isTriedAgain(unit, ended, ledger)) return;
  const code = codeOf(told.error) ?? '';
  const isOvertaken =
    ['ERR_TRANSACTION_TIMEOUT', 'ERR_RESET'].includes(code) ||
    told.error instanceof OwnError ||
    (told.error === null && unit.hasSignal === true) ||
    (code === 'ERR_SANDBOX' && isSandboxOver(ledger, ended)) ||
    hasDiedBefore(told.error, ended, ledger);
  verdict.hold(
    told.error === error || isOvertaken,
    () => `${name} threw "${error.message}" and was told ${String(told.error)}`,
  );
}
