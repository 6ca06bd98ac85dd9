// A made-up run for the specs of the oracle, in which everything is true at first.
import { VirtualClock } from '../clock/virtual-clock';
import { judge } from './oracle';
import { type Attempt, Ledger, type ResetRecord, type Unit, type UnitKind } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Journal } from '../server/journal';

function calm(): Evidence {
  const clock = new VirtualClock();
  const ledger = new Ledger(clock);
  const setting = {
    way: 'address',
    fragmentation: 0,
    poolMin: 0,
    poolMax: 2,
    acquireMillis: 1000,
    options: {},
    foreign: {},
  } as const;
  const done = { told: { is: 'done', value: undefined, order: 0, at: 0 } } as const;
  return {
    schedule: { seed: 1, setting, steps: [] },
    ledger,
    journal: new Journal(clock),
    stored: [],
    finalReset: { order: 0, at: 0 },
    lastQuery: { ...done },
    destroyed: { ...done },
    rest: { backends: [], locks: [], openTransactions: 0, timers: 0, sockets: 0 },
    frozen: new Set(),
  };
}

export class Lie {
  readonly evidence = calm();

  /** A unit with one statement that is answered. */
  asked(kind: UnitKind): { unit: Unit; attempt: Attempt } {
    const { ledger } = this.evidence;
    const unit = ledger.unit(kind);
    const attempt = ledger.attempt(unit);
    const statement = ledger.statement(attempt, true, (token) => `insert /*t${token}*/`);
    statement.told = { is: 'done', value: { rows: [{ token: statement.token }] }, ...ledger.now() };
    attempt.ended = ledger.now();
    return { unit, attempt };
  }

  resolved(unit: Unit): void {
    unit.told = { is: 'done', value: unit.name, ...this.evidence.ledger.now() };
  }

  rejected(unit: Unit, error: unknown): void {
    unit.told = { is: 'failed', error, ...this.evidence.ledger.now() };
  }

  store(...tokens: number[]): void {
    for (const token of tokens) this.evidence.stored.push({ token, value: token, transaction: 1 });
  }

  /** Asked for at 0 ms, with a bound of 100 ms. */
  reset(): ResetRecord {
    const { ledger } = this.evidence;
    const record: ResetRecord = {
      options: { timeoutMillis: 100 },
      asked: ledger.now(),
      boundMillis: 100,
      told: { is: 'nothing' },
    };
    ledger.resets.push(record);
    return record;
  }

  /** What is told is told at that time. */
  doneAt(record: { told: unknown }, at: number): void {
    record.told = { is: 'done', value: undefined, ...this.evidence.ledger.now(), at };
  }

  /** The rules that it breaks. */
  get broken(): string[] {
    return judge(this.evidence).map(({ rule }) => rule);
  }
}
