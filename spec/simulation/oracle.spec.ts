// The oracle is told lies: each invariant must be able to fail.
import { expect } from 'chai';
import { VirtualClock } from './clock/virtual-clock';
import { judge } from './oracle/oracle';
import { type Attempt, Ledger, type ResetRecord, type Unit, type UnitKind } from './run/ledger';
import type { Evidence } from './run/run';
import { OwnError } from './run/own-error';
import { Journal } from './server/journal';

let evidence: Evidence;

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

function asked(kind: UnitKind): { unit: Unit; attempt: Attempt } {
  const unit = evidence.ledger.unit(kind);
  const attempt = evidence.ledger.attempt(unit);
  const statement = evidence.ledger.statement(attempt, true, (token) => `insert /*t${token}*/`);
  statement.told = { is: 'done', value: { rows: [{ token: statement.token }] }, ...evidence.ledger.now() };
  attempt.ended = evidence.ledger.now();
  return { unit, attempt };
}

function resolved(unit: Unit): void {
  unit.told = { is: 'done', value: unit.name, ...evidence.ledger.now() };
}

function rejected(unit: Unit, error: unknown): void {
  unit.told = { is: 'failed', error, ...evidence.ledger.now() };
}

function store(...tokens: number[]): void {
  for (const token of tokens) evidence.stored.push({ token, value: token, transaction: 1 });
}

function reset(): ResetRecord {
  const record: ResetRecord = { options: {}, asked: evidence.ledger.now(), boundMillis: 100, told: { is: 'nothing' } };
  evidence.ledger.resets.push(record);
  return record;
}

const broken = () => judge(evidence).map(({ rule }) => rule);

describe('the oracle', () => {
  beforeEach(() => {
    evidence = calm();
  });

  it('has nothing against the truth', () => {
    resolved(asked('block').unit);
    rejected(asked('transaction').unit, new OwnError('own'));
    store(1);
    expect(broken()).to.be.empty;
  });

  it('hears of a commit that is not stored, and of a failure that is', () => {
    resolved(asked('block').unit);
    expect(broken()).to.deep.equal(['told = stored']);
    rejected(asked('transaction').unit, new OwnError('own'));
    store(1, 2);
    expect(broken()).to.deep.equal(['told = stored']);
  });

  it('hears of a statement that is stored twice, and of an earlier attempt that is stored', () => {
    const { unit } = asked('block');
    const second = evidence.ledger.attempt(unit);
    second.ended = evidence.ledger.now();
    resolved(unit);
    store(1);
    expect(broken()).to.deep.equal(['told = stored']);
    evidence = calm();
    resolved(asked('block').unit);
    store(1, 1);
    expect(broken()).to.include('told = stored');
  });

  it('hears of a transaction of unknown outcome that is stored in part', () => {
    const { unit, attempt } = asked('block');
    const second = evidence.ledger.statement(attempt, true, () => '');
    second.told = { is: 'done', value: { rows: [{ token: 2 }] }, ...evidence.ledger.now() };
    rejected(unit, Object.assign(new Error('unknown'), { code: 'ERR_COMMIT_UNKNOWN' }));
    store(1);
    expect(broken()).to.include('told = stored');
  });

  it('hears of what is never told anything', () => {
    asked('block');
    expect(broken()).to.deep.equal(['settled']);
  });

  it('hears of a reset past its bound, and of one that leaves a backend', () => {
    const record = reset();
    record.told = { is: 'done', value: undefined, order: evidence.ledger.now().order, at: 500 };
    expect(broken()).to.deep.equal(['settled']);
    record.told = { ...record.told, at: 10 };
    Object.assign(record, {
      report: { recycledConnections: 0, durationMillis: 10 },
      backendsLeft: [{ pid: 101, isAtRest: true }],
    });
    expect(broken()).to.deep.equal(['let go']);
  });

  it('hears of a victim that is told late', () => {
    const { unit, attempt } = asked('block');
    const record = reset();
    record.told = { is: 'done', value: undefined, ...evidence.ledger.now() };
    attempt.asked[0]!.told = { is: 'failed', error: new OwnError('late'), order: evidence.ledger.now().order, at: 5 };
    rejected(unit, new OwnError('late'));
    expect(broken()).to.deep.equal(['told at once']);
  });

  it('hears of hooks that run for what was undone, and not for what is stored', () => {
    const stays = asked('block');
    resolved(stays.unit);
    store(1);
    const goes = asked('block');
    rejected(goes.unit, new OwnError('own'));
    for (const [number, { attempt }] of [stays, goes].entries()) {
      evidence.ledger.registered.push({ attempt, hook: 'afterCommit', number });
    }
    evidence.ledger.calls.push({ ...evidence.ledger.now(), attempt: goes.attempt, hook: 'afterCommit', number: 1 });
    expect(broken()).to.deep.equal(['registered hooks', 'registered hooks']);
  });

  it('hears of what runs behind a reset that it was asked before', () => {
    const { unit } = asked('statement');
    const record = reset();
    record.told = { is: 'done', value: undefined, ...evidence.ledger.now() };
    evidence.journal.write(101, 'executed', '', { token: 1, transaction: 1, isExplicit: false });
    resolved(unit);
    store(1);
    expect(broken()).to.deep.equal(['fence']);
  });

  it('hears of statements in the transaction of another, and outside of their own', () => {
    for (const token of [1, 2]) {
      resolved(asked('block').unit);
      evidence.journal.write(101, 'executed', '', { token, transaction: 1, isExplicit: token === 1 });
    }
    store(1, 2);
    expect(broken()).to.deep.equal(['apart', 'apart']);
  });

  it('hears of a transaction that ends twice', () => {
    for (const event of ['begin', 'commit', 'rollback'] as const) {
      evidence.ledger.events.push({ ...evidence.ledger.now(), event, transaction: { id: 'trx1' } as never });
    }
    expect(broken()).to.deep.equal(['ends once']);
  });

  it('hears of answers to others, and of errors that hide the first one', () => {
    const { unit, attempt } = asked('block');
    resolved(unit);
    store(1);
    attempt.asked[0]!.told = { is: 'done', value: { rows: [{ token: 9 }] }, ...evidence.ledger.now() };
    expect(broken()).to.deep.equal(['own answer']);
    evidence = calm();
    const other = asked('block');
    other.attempt.ended = { ...evidence.ledger.now(), threw: { error: new OwnError('first') } };
    rejected(other.unit, Object.assign(new Error('rollback failed'), { code: '08006' }));
    expect(broken()).to.include('own answer');
  });

  it('hears of failures without a reason, and of what goes wrong beside', () => {
    rejected(asked('statement').unit, Object.assign(new Error('lost'), { code: 'ECONNRESET' }));
    expect(broken()).to.deep.equal(['explained']);
    evidence = calm();
    evidence.ledger.problems.push('unhandled rejection: x', 'overlap: y');
    evidence.journal.gaps.push('z');
    expect(broken()).to.deep.equal(['beside', 'overlap', 'gap in the simulation']);
  });

  it('hears of what is left at the end, and of counts that do not add up', () => {
    evidence.rest = { backends: [101], locks: ['key a'], openTransactions: 1, timers: 2, sockets: 1 };
    expect(broken()).to.deep.equal(Array(5).fill('nothing left'));
    evidence = calm();
    const connections = { idle: 3, inUse: 0, opening: 0, waiting: 0 };
    const state = { generation: 0, resetting: false, connections, transactions: [] };
    evidence.ledger.samples.push({ ...evidence.ledger.now(), state, openSockets: 0, pendingResets: 0 });
    expect(broken()).to.deep.equal(['counts', 'counts']);
  });
});
