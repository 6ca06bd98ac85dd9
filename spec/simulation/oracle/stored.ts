// Told = stored: what is told to be committed is stored once, what is told to have failed is not stored at all.
import { type Asked, type Attempt, type Ledger, type Unit, codeOf, outermost } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

type Fate = 'stored' | 'not stored' | 'either';

export function toldIsStored({ ledger, stored }: Evidence): Violation[] {
  const verdict = new Verdict('told = stored');
  const counts = new Map<number, number>();
  for (const { token, value } of stored) {
    counts.set(token, (counts.get(token) ?? 0) + 1);
    verdict.hold(token === 0 || token === value, () => `t${token} stored ${value}`);
  }
  for (const unit of ledger.units) {
    if (unit.parent) continue;
    judge(unit, inSandbox(unit, ledger) ?? fateOf(unit), (asked, fate) => {
      const count = counts.get(asked.token) ?? 0;
      verdict.hold(count <= 1, () => `t${asked.token} of ${unit.name} is stored ${count} times`);
      if (fate === 'either') return;
      if (inSandbox(unit, ledger) && fate === 'stored') return;
      const isRight = fate === 'stored' ? count === 1 : count === 0;
      verdict.hold(
        isRight,
        () => `t${asked.token} of ${asked.attempt.unit.name}: ${told(unit)}, ${count === 0 ? 'not stored' : 'stored'}`,
      );
    });
    if (codeOf(errorOf(unit)) === 'ERR_COMMIT_UNKNOWN') allOrNothing(unit, counts, verdict);
  }
  return verdict.violations;
}

/** What was asked while a sandbox was open for the whole instance is undone with it. Undefined: there was none. */
function inSandbox({ asked, told: answer, isOutside }: Unit, { pins, units }: Ledger): Fate | undefined {
  if (isOutside) return undefined;
  const end = answer.is === 'nothing' ? Infinity : answer.order;
  const near = pins.filter(({ asked: from, closed }) => from.order < end && (closed?.order ?? Infinity) > asked.order);
  if (near.length === 0) return undefined;
  const isWithin = near.some(
    ({ opened, closing }) => opened && opened.order < asked.order && (closing?.order ?? Infinity) > end,
  );
  // A COMMIT by raw SQL gets out of the sandbox, with all that was done in it.
  return isWithin && !units.some(hasRawControl) ? 'not stored' : 'either';
}

function errorOf({ told: { ...record } }: Unit): unknown {
  return record.is === 'failed' ? record.error : undefined;
}

function told(unit: Unit): string {
  if (unit.told.is !== 'failed') return `${unit.name} was told ${unit.told.is}`;
  return `${unit.name} was told ${codeOf(unit.told.error) ?? String(unit.told.error)}`;
}

/** What the asker may conclude from what it was told. */
function fateOf(unit: Unit): Fate {
  if (unit.kind === 'sandbox') return 'not stored';
  if (unit.kind === 'by hand' || unit.kind === 'stream') return 'either';
  if (unit.told.is === 'done') return unit.attempts.at(-1)?.isGivenUp ? 'not stored' : 'stored';
  if (unit.told.is === 'nothing') return 'either';
  const code = codeOf(unit.told.error);
  if (code === 'ERR_COMMIT_UNKNOWN') return 'either';
  if (code === 'ERR_AFTER_COMMIT') return 'stored';
  if (unit.kind !== 'statement') return 'not stored';
  return isAnswer(unit.told.error) ? 'not stored' : 'either';
}

/** An error that is the server's answer to the statement, behind which nothing of it can be stored. */
function isAnswer(error: unknown): boolean {
  return (error as { severity?: string } | undefined)?.severity === 'ERROR';
}

function judge(unit: Unit, fate: Fate, decide: (asked: Asked, fate: Fate) => void): void {
  const last = unit.attempts.at(-1);
  for (const attempt of unit.attempts) judgeAttempt(attempt, attempt === last ? fate : 'not stored', decide);
}

function judgeAttempt(attempt: Attempt, fate: Fate, decide: (asked: Asked, fate: Fate) => void): void {
  for (const asked of attempt.asked) {
    if (!asked.isWrite) continue;
    decide(asked, hasRawControl(outermost(attempt.unit)) ? ofUncertain(attempt, asked) : ofStatement(asked, fate));
  }
  for (const nested of attempt.nested) judge(nested, both(fate, fateOf(nested)), decide);
}

/** A statement that failed has stored nothing; of one that was told nothing, nobody can say. */
function ofStatement(asked: Asked, fate: Fate): Fate {
  if (asked.told.is === 'done' || fate !== 'stored') return fate;
  return asked.told.is === 'nothing' ? 'either' : asked.attempt.unit.kind === 'statement' ? fate : 'not stored';
}

/** Raw SQL has ended a transaction that it may belong to. */
function hasRawControl(unit: Unit): boolean {
  return unit.attempts.some((attempt) => attempt.rawControl !== undefined || attempt.nested.some(hasRawControl));
}

/** What was asked after a COMMIT or ROLLBACK by raw SQL is not sent; what was before it may be stored. */
function ofUncertain(attempt: Attempt, asked: Asked): Fate {
  const { rawControl } = attempt;
  return rawControl && asked.asked.order > rawControl.order ? 'not stored' : 'either';
}

function both(outer: Fate, inner: Fate): Fate {
  if (outer === 'not stored' || inner === 'not stored') return 'not stored';
  return outer === 'either' || inner === 'either' ? 'either' : 'stored';
}

/** A transaction is one: whether its COMMIT arrived nobody knows, but it did with all or with none. */
function allOrNothing(unit: Unit, counts: Map<number, number>, verdict: Verdict): void {
  const found = new Set<number>();
  judge(unit, 'stored', (asked, fate) => {
    if (fate === 'stored') found.add(counts.get(asked.token) ?? 0);
  });
  verdict.hold(found.size <= 1, () => `${unit.name} is stored in part`);
}
