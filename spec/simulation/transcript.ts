// A schedule and what came of it, line by line in the order of time, for whoever looks for the fault.
import { codeOf, type Told } from './run/ledger';
import type { Evidence } from './run/run';
import type { Violation } from './oracle/violation';

interface Line {
  order: number;
  at: number;
  text: string;
}

export function transcript(evidence: Evidence, violations: Violation[]): string {
  const { schedule } = evidence;
  const lines = [...clientLines(evidence), ...serverLines(evidence)].sort((a, b) => a.order - b.order);
  return [
    `seed ${schedule.seed}: ${JSON.stringify(schedule.setting)}`,
    ...schedule.steps.map(
      ({ afterMillis, action }, i) => `  step ${i + 1}, +${afterMillis} ms: ${JSON.stringify(action)}`,
    ),
    'what happened (client on the left, server on the right):',
    ...lines.map(({ at, text }) => `${at.toFixed(2).padStart(10)}  ${text}`),
    ...violations.map(({ rule, text }) => `VIOLATED ${rule}: ${text}`),
  ].join('\n');
}

function clientLines({ ledger }: Evidence): Line[] {
  const lines: Line[] = [];
  const told = (name: string, record: Told) => {
    if (record.is === 'done') lines.push({ ...record, text: `${name}: done` });
    if (record.is === 'failed') lines.push({ ...record, text: `${name}: ${shortError(record.error)}` });
  };
  for (const unit of ledger.units) {
    lines.push({ ...unit.asked, text: `${unit.name}: asked` });
    told(unit.name, unit.told);
    for (const { ended } of unit.attempts) {
      if (ended)
        lines.push({
          ...ended,
          text: `${unit.name}: callback ${ended.threw ? `threw ${shortError(ended.threw.error)}` : 'returned'}`,
        });
    }
  }
  for (const { token, asked, sql, attempt, told: record } of ledger.asked) {
    lines.push({ ...asked, text: `${attempt.unit.name}: asks ${sql}` });
    told(`t${token}`, record);
  }
  for (const { asked, options, told: record } of ledger.resets) {
    lines.push({ ...asked, text: `reset ${JSON.stringify(options)}` });
    told('reset', record);
  }
  for (const { order, at, event, transaction } of ledger.events)
    lines.push({ order, at, text: `event ${event} ${transaction.id}` });
  for (const { order, at, millis } of ledger.stalls)
    lines.push({ order, at, text: `the event loop is blocked for ${millis} ms` });
  for (const { asked, told: record } of ledger.destroys) {
    lines.push({ ...asked, text: 'destroy()' });
    told('destroy()', record);
  }
  for (const { order, at, hook, label } of ledger.hooks) lines.push({ order, at, text: `hook ${hook} of ${label}` });
  for (const pin of ledger.pins) {
    lines.push({ ...pin.asked, text: 'a sandbox is opened for all' });
    if (pin.opened) lines.push({ ...pin.opened, text: 'a sandbox is open for all' });
    if (pin.closing) lines.push({ ...pin.closing, text: 'the sandbox for all is closed' });
  }
  return lines;
}

function serverLines({ journal }: Evidence): Line[] {
  return journal.entries.map(({ order, at, pid, is, text, transaction }) => {
    const inside = transaction === undefined ? '' : ` (transaction ${transaction})`;
    return { order, at, text: `${' '.repeat(50)}${pid}: ${is} ${text}${inside}` };
  });
}

function shortError(error: unknown): string {
  const code = codeOf(error);
  const text = String(error).split('\n')[0]!.slice(0, 140);
  return code ? `${code} ${text}` : text;
}
