// What was asked of the instance, and what each asker was told: one half of "told = stored".
import type { ResetOptions, ResetReport, TransactionEvent, ConnectionState } from '../../../lib';
import type { VirtualClock } from '../clock/virtual-clock';

export interface Moment {
  order: number;
  at: number;
}

export type Told =
  | { is: 'nothing' }
  | ({ is: 'done'; value: unknown } & Moment)
  | ({ is: 'failed'; error: unknown } & Moment);

/** A statement of the workload. Its token is in its SQL, and is what it stores. */
export interface Asked {
  token: number;
  asked: Moment;
  sql: string;
  isWrite: boolean;
  /** The attempt that it belongs to. */
  attempt: Attempt;
  told: Told;
}

/** One run of a transaction's callback; a statement on its own has one as well. */
export interface Attempt {
  unit: Unit;
  asked: Asked[];
  nested: Unit[];
  /** How the callback ended. */
  ended?: Moment & { threw?: { error: unknown } };
  /** A COMMIT or ROLLBACK by raw SQL was asked in it. */
  rawControl?: Moment;
  /** `rollback()` was called on its handle. */
  isGivenUp?: boolean;
}

export type UnitKind = 'statement' | 'stream' | 'block' | 'transaction' | 'handle' | 'joined' | 'by hand' | 'sandbox';

/** What is stored or not as a whole: a statement on its own, a transaction, a block, a savepoint. */
export interface Unit {
  name: string;
  kind: UnitKind;
  parent: Attempt | undefined;
  asked: Moment;
  attempts: Attempt[];
  told: Told;
  /** It is outside of all that is open: `db.outside()`. */
  isOutside?: boolean;
  /** It is tried so often, whatever its callback throws. */
  tries?: number;
  /** It is tried so often where its connection is lost. */
  triesAfterLoss?: number;
  /** Its own limit, where it has one. */
  limitMillis?: number;
  /** Its COMMIT is looked into where its answer is lost. */
  verifies?: boolean;
  /** A signal is aborted in it. */
  hasSignal?: boolean;
}

export interface ResetRecord {
  options: ResetOptions;
  asked: Moment;
  /** Until it settles at the latest. */
  boundMillis: number;
  /** Connections were in use when it was asked for: a grace waits for them. */
  isBusy?: boolean;
  told: Told;
  report?: ResetReport;
  /** The backends that were there when it resolved: those accepted before it was asked for. */
  backendsLeft?: { pid: number; isAtRest: boolean; order: number; isHurt: boolean }[];
  /** Those of them that were there a moment later. */
  backendsLate?: number[];
}

export interface Sample extends Moment {
  state: ConnectionState;
  openSockets: number;
  /** Resets and `destroy()` calls under way. */
  pendingResets: number;
}

export class Ledger {
  readonly units: Unit[] = [];
  readonly asked: Asked[] = [];
  readonly resets: ResetRecord[] = [];
  readonly events: (Moment & TransactionEvent)[] = [];
  readonly samples: Sample[] = [];
  /** Unhandled rejections, warnings, overlapping statements. */
  readonly problems: string[] = [];
  /** When the event loop did nothing, and for how long. */
  readonly stalls: (Moment & { millis: number })[] = [];
  /** Calls of `destroy()`. */
  readonly destroys: { asked: Moment; told: Told }[] = [];
  /** Calls of the instance's own hooks. */
  readonly hooks: (Moment & { hook: string; label: string | undefined; depth: number })[] = [];
  /** Calls of hooks that callbacks have registered. */
  readonly calls: (Moment & { attempt: Attempt; hook: string; number: number })[] = [];
  /** Hooks that callbacks have registered. */
  readonly registered: { attempt: Attempt; hook: string; number: number }[] = [];
  /** While a sandbox is open for the whole instance, everything runs in it. */
  readonly pins: { asked: Moment; opened?: Moment; closing?: Moment; closed?: Moment }[] = [];

  constructor(private readonly clock: VirtualClock) {}

  now(): Moment {
    return { order: this.clock.tick(), at: this.clock.now };
  }

  unit(kind: UnitKind, parent?: Attempt): Unit {
    const siblings = parent ? parent.nested : this.units.filter((unit) => !unit.parent);
    const name = parent ? `${parent.unit.name}.${siblings.length + 1}` : `${kind} ${siblings.length + 1}`;
    const unit: Unit = { name, kind, parent, asked: this.now(), attempts: [], told: { is: 'nothing' } };
    this.units.push(unit);
    parent?.nested.push(unit);
    return unit;
  }

  attempt(unit: Unit): Attempt {
    const attempt: Attempt = { unit, asked: [], nested: [] };
    unit.attempts.push(attempt);
    return attempt;
  }

  statement(attempt: Attempt, isWrite: boolean, sqlOf: (token: number) => string): Asked {
    const token = this.asked.length + 1;
    const asked: Asked = { token, asked: this.now(), sql: sqlOf(token), isWrite, attempt, told: { is: 'nothing' } };
    this.asked.push(asked);
    attempt.asked.push(asked);
    return asked;
  }

  /** Writes down how the promise settles; the promise itself goes on to the asker. */
  watch<T>(record: { told: Told }, promise: Promise<T>): Promise<T> {
    const settled = promise.then(
      (value) => {
        record.told = { is: 'done', value, ...this.now() };
        return value;
      },
      (error: unknown) => {
        record.told = { is: 'failed', error, ...this.now() };
        throw error;
      },
    );
    return settled;
  }
}

/** The unit that is not nested in another. */
export function outermost(unit: Unit): Unit {
  return unit.parent ? outermost(unit.parent.unit) : unit;
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
