// The oracle is told lies about what is stored and who was told what: each invariant must be able to fail.
import { expect } from 'chai';
import { Lie } from './oracle/lie';
import { OwnError } from './run/own-error';

describe('the oracle', () => {
  let lie: Lie;
  beforeEach(() => {
    lie = new Lie();
  });

  it('has nothing against the truth', () => {
    lie.resolved(lie.asked('block').unit);
    lie.rejected(lie.asked('transaction').unit, new OwnError('own'));
    lie.store(1);
    expect(lie.broken).to.be.empty;
  });

  it('hears of a commit that is not stored, and of a failure that is', () => {
    lie.resolved(lie.asked('block').unit);
    expect(lie.broken).to.deep.equal(['told = stored']);
    lie.rejected(lie.asked('transaction').unit, new OwnError('own'));
    lie.store(1, 2);
    expect(lie.broken).to.deep.equal(['told = stored']);
  });

  it('hears of a statement that is stored twice, and of an earlier attempt that is stored', () => {
    const { unit } = lie.asked('block');
    const second = lie.evidence.ledger.attempt(unit);
    second.ended = lie.evidence.ledger.now();
    lie.resolved(unit);
    lie.store(1);
    expect(lie.broken).to.deep.equal(['told = stored']);
    lie = new Lie();
    lie.resolved(lie.asked('block').unit);
    lie.store(1, 1);
    expect(lie.broken).to.include('told = stored');
  });

  it('hears of a transaction of unknown outcome that is stored in part', () => {
    const { unit, attempt } = lie.asked('block');
    const second = lie.evidence.ledger.statement(attempt, true, () => '');
    second.told = { is: 'done', value: { rows: [{ token: 2 }] }, ...lie.evidence.ledger.now() };
    lie.rejected(unit, Object.assign(new Error('unknown'), { code: 'ERR_COMMIT_UNKNOWN' }));
    lie.store(1);
    expect(lie.broken).to.include('told = stored');
  });

  it('hears of what is never told anything', () => {
    lie.asked('block');
    expect(lie.broken).to.deep.equal(['settled']);
  });

  it('hears of hooks that run for what was undone, and not for what is stored', () => {
    const stays = lie.asked('block');
    lie.resolved(stays.unit);
    lie.store(1);
    const goes = lie.asked('block');
    lie.rejected(goes.unit, new OwnError('own'));
    for (const [number, { attempt }] of [stays, goes].entries()) {
      lie.evidence.ledger.registered.push({ attempt, hook: 'afterCommit', number });
    }
    lie.evidence.ledger.calls.push({
      ...lie.evidence.ledger.now(),
      attempt: goes.attempt,
      hook: 'afterCommit',
      number: 1,
    });
    expect(lie.broken).to.deep.equal(['registered hooks', 'registered hooks']);
  });

  it('hears of statements in the transaction of another, and outside of their own', () => {
    for (const token of [1, 2]) {
      lie.resolved(lie.asked('block').unit);
      lie.evidence.journal.write(101, 'executed', '', { token, transaction: 1, isExplicit: token === 1 });
    }
    lie.store(1, 2);
    expect(lie.broken).to.deep.equal(['apart', 'apart']);
  });

  it('hears of a statement on a server of the wrong kind', () => {
    const { unit } = lie.asked('statement');
    lie.evidence.schedule.setting.options.targetSessionAttrs = 'read-write';
    lie.evidence.journal.write(101, 'connected', 'to a standby');
    lie.evidence.journal.write(101, 'executed', '', { token: 1, transaction: 1, isExplicit: false });
    lie.resolved(unit);
    lie.store(1);
    expect(lie.broken).to.deep.equal(['right server']);
  });

  it('hears of a transaction that ends twice', () => {
    for (const event of ['begin', 'commit', 'rollback'] as const) {
      lie.evidence.ledger.events.push({ ...lie.evidence.ledger.now(), event, transaction: { id: 'trx1' } as never });
    }
    expect(lie.broken).to.deep.equal(['ends once']);
  });

  it('hears of answers to others, and of errors that hide the first one', () => {
    const { unit, attempt } = lie.asked('block');
    lie.resolved(unit);
    lie.store(1);
    attempt.asked[0]!.told = { is: 'done', value: { rows: [{ token: 9 }] }, ...lie.evidence.ledger.now() };
    expect(lie.broken).to.deep.equal(['own answer']);
    lie = new Lie();
    const other = lie.asked('block');
    other.attempt.ended = { ...lie.evidence.ledger.now(), threw: { error: new OwnError('first') } };
    lie.rejected(other.unit, Object.assign(new Error('rollback failed'), { code: '08006' }));
    expect(lie.broken).to.include('own answer');
    // A loss before that is no reason for another error, but where the block is tried again.
    const loss = { ...lie.evidence.ledger.now(), event: 'fatal', transaction: { id: 'trx1', label: other.unit.name } };
    lie.evidence.ledger.events.push({ ...loss, order: 0 } as never);
    expect(lie.broken).to.include('own answer');
    other.unit.triesAfterLoss = 2;
    expect(lie.broken).not.to.include('own answer');
  });

  it('hears of failures without a reason, and of what goes wrong beside', () => {
    lie.rejected(lie.asked('statement').unit, Object.assign(new Error('lost'), { code: 'ECONNRESET' }));
    expect(lie.broken).to.deep.equal(['explained']);
    lie = new Lie();
    lie.evidence.ledger.problems.push('unhandled rejection: x', 'overlap: y');
    lie.evidence.journal.gaps.push('z');
    expect(lie.broken).to.deep.equal(['beside', 'overlap', 'gap in the simulation']);
  });

  it('hears of what is left at the end, and of counts that do not add up', () => {
    lie.evidence.rest = { backends: [101], locks: ['key a'], openTransactions: 1, timers: 2, sockets: 1 };
    expect(lie.broken).to.deep.equal(Array(5).fill('nothing left'));
    lie = new Lie();
    const connections = { idle: 3, inUse: 0, opening: 0, waiting: 0 };
    const state = { generation: 0, resetting: false, connections, transactions: [] };
    lie.evidence.ledger.samples.push({ ...lie.evidence.ledger.now(), state, openSockets: 0, pendingResets: 0 });
    expect(lie.broken).to.deep.equal(['counts', 'counts']);
  });

  it('takes the error of a unit inside as a reason where it is the very same, and null where a signal is', () => {
    const { unit, attempt } = lie.asked('block');
    attempt.asked.length = 0;
    lie.evidence.ledger.asked.length = 0;
    const inner = lie.evidence.ledger.unit('block', attempt);
    inner.limitMillis = 5;
    const error = Object.assign(new Error('too late'), { code: 'ERR_TRANSACTION_TIMEOUT' });
    lie.rejected(inner, error);
    lie.rejected(unit, error);
    expect(lie.broken).to.be.empty;
    lie.rejected(unit, Object.assign(new Error('too late'), { code: 'ERR_TRANSACTION_TIMEOUT' }));
    expect(lie.broken).to.deep.equal(['explained']);
    lie.rejected(unit, null);
    expect(lie.broken).to.deep.equal(['explained']);
    unit.hasSignal = true;
    expect(lie.broken).to.be.empty;
  });
});
