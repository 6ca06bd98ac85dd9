// The oracle is told lies about resets, limits and all else that has a bound.
import { expect } from 'chai';
import { Lie } from './oracle/lie';
import type { ResetReport } from '../../lib';
import type { Moment, Told } from './run/ledger';
import { OwnError } from './run/own-error';

describe('the oracle of resets and bounds', () => {
  let lie: Lie;
  beforeEach(() => {
    lie = new Lie();
  });

  it('hears of a reset past its bound, and of one that leaves a backend', () => {
    const record = lie.reset();
    record.told = { is: 'done', value: undefined, order: lie.evidence.ledger.now().order, at: 500 };
    expect(lie.broken).to.deep.equal(['settled']);
    record.told = { ...record.told, at: 10 };
    Object.assign(record, {
      report: { recycledConnections: 0, durationMillis: 10 },
      backendsLeft: [{ pid: 101, isAtRest: true }],
    });
    expect(lie.broken).to.deep.equal(['let go']);
  });

  it('hears of a victim that is told late', () => {
    const { unit, attempt } = lie.asked('block');
    const record = lie.reset();
    record.told = { is: 'done', value: undefined, ...lie.evidence.ledger.now() };
    attempt.asked[0]!.told = {
      is: 'failed',
      error: new OwnError('late'),
      order: lie.evidence.ledger.now().order,
      at: 5,
    };
    lie.rejected(unit, new OwnError('late'));
    expect(lie.broken).to.deep.equal(['told at once']);
  });

  it('hears of what runs behind a reset that it was asked before', () => {
    const { unit } = lie.asked('statement');
    const record = lie.reset();
    record.told = { is: 'done', value: undefined, ...lie.evidence.ledger.now() };
    lie.evidence.journal.write(101, 'executed', '', { token: 1, transaction: 1, isExplicit: false });
    lie.resolved(unit);
    lie.store(1);
    expect(lie.broken).to.deep.equal(['fence']);
  });

  it('hears of a limit that is outlasted by more than what the end may take', () => {
    const { unit } = lie.asked('block');
    unit.limitMillis = 50;
    lie.doneAt(unit, 5049);
    unit.told = { ...unit.told, value: unit.name } as Told;
    lie.store(1);
    expect(lie.broken).to.be.empty;
    lie.doneAt(unit, 5150);
    expect(lie.broken).to.include('limits');
    unit.verifies = true;
    expect(lie.broken).not.to.include('limits');
  });

  it('hears of a destroy() that never ends, and of one that takes too long', () => {
    const destroy: { asked: Moment; told: Told } = { asked: lie.evidence.ledger.now(), told: { is: 'nothing' } };
    lie.evidence.ledger.destroys.push(destroy);
    expect(lie.broken).to.deep.equal(['destroy']);
    lie.doneAt(destroy, 10_100);
    expect(lie.broken).to.deep.equal(['destroy']);
    lie.doneAt(destroy, 9_900);
    expect(lie.broken).to.be.empty;
  });

  it('gives a wait as much longer as the event loop was blocked, and a little for what had come by then', () => {
    const record = lie.reset();
    lie.evidence.ledger.stalls.push({ ...lie.evidence.ledger.now(), at: 10, millis: 1000 });
    lie.doneAt(record, 1250);
    expect(lie.broken).to.be.empty;
    lie.doneAt(record, 1300);
    expect(lie.broken).to.deep.equal(['settled']);
  });

  it('lets a session outlast a reset only where an earlier one that knew of it ran out of its time', () => {
    const first = lie.reset();
    lie.doneAt(first, 100);
    first.report = { durationMillis: 100 } as ResetReport;
    const second = lie.reset();
    second.asked = { ...second.asked, at: 105 };
    lie.doneAt(second, 110);
    second.report = { durationMillis: 5, recycledConnections: 0 } as ResetReport;
    const left = (order: number) => [{ pid: 101, isAtRest: false, order, isHurt: false }];
    second.backendsLeft = left(0);
    expect(lie.broken).to.be.empty;
    second.backendsLeft = left(first.asked.order + 1);
    expect(lie.broken).to.deep.equal(['let go']);
  });

  it('knows that a grace with nothing open takes no time, so that a reset may run out of its time without it', () => {
    const reset = lie.reset();
    reset.options = { timeoutMillis: 100, graceMillis: 200 };
    reset.boundMillis = 300;
    lie.doneAt(reset, 101);
    reset.report = { durationMillis: 101, recycledConnections: 0 } as ResetReport;
    reset.backendsLeft = [{ pid: 101, isAtRest: false, order: 0, isHurt: false }];
    expect(lie.broken).to.be.empty;
  });

  it('knows that what waits for a connection behind a reset takes none of its grace, and what is left open all of it', () => {
    const { unit, attempt } = lie.asked('handle');
    const reset = lie.reset();
    reset.options = { timeoutMillis: 100, graceMillis: 200, waiting: 'requeue' };
    reset.boundMillis = 300;
    lie.doneAt(reset, 101);
    reset.report = { durationMillis: 101, recycledConnections: 0 } as ResetReport;
    reset.backendsLeft = [{ pid: 101, isAtRest: false, order: 0, isHurt: false }];
    lie.doneAt(unit, 150);
    unit.told = { ...unit.told, value: unit.name } as Told;
    lie.store(1);
    expect(lie.broken).to.be.empty;
    attempt.isGivenUp = true;
    expect(lie.broken).to.include('let go');
    reset.isBusy = false;
    expect(lie.broken).not.to.include('let go');
  });

  it('hears of a backend that is left where the grace was used, and the time after it was not up', () => {
    const { unit } = lie.asked('statement');
    const reset = lie.reset();
    reset.options = { timeoutMillis: 100, graceMillis: 200 };
    reset.boundMillis = 300;
    lie.doneAt(unit, 60);
    lie.store(1);
    lie.doneAt(reset, 101);
    reset.report = { durationMillis: 101, recycledConnections: 0 } as ResetReport;
    reset.backendsLeft = [{ pid: 101, isAtRest: false, order: 0, isHurt: false }];
    expect(lie.broken).to.deep.equal(['let go']);
  });

  it('knows that a destroy() ends the grace of a reset', () => {
    const { unit } = lie.asked('statement');
    const reset = lie.reset();
    reset.options = { timeoutMillis: 100, graceMillis: 200 };
    reset.boundMillis = 300;
    lie.doneAt(unit, 60);
    lie.store(1);
    lie.doneAt(reset, 101);
    reset.report = { durationMillis: 101, recycledConnections: 0 } as ResetReport;
    reset.backendsLeft = [{ pid: 101, isAtRest: false, order: 0, isHurt: false }];
    const destroy: { asked: Moment; told: Told } = { asked: lie.evidence.ledger.now(), told: { is: 'nothing' } };
    lie.evidence.ledger.destroys.push(destroy);
    lie.doneAt(destroy, 101);
    expect(lie.broken).to.be.empty;
    destroy.asked = { ...destroy.asked, at: 60 };
    expect(lie.broken).to.deep.equal(['let go']);
  });

  it('knows that a reset has no longer than one that is asked meanwhile', () => {
    const reset = lie.reset();
    reset.options = { timeoutMillis: 300 };
    reset.boundMillis = 300;
    lie.doneAt(reset, 110);
    reset.report = { durationMillis: 110, recycledConnections: 0 } as ResetReport;
    reset.backendsLeft = [{ pid: 101, isAtRest: false, order: 0, isHurt: false }];
    expect(lie.broken).to.include('let go');
    const later = lie.reset();
    later.options = { timeoutMillis: 100 };
    later.asked = { ...later.asked, at: 10 };
    lie.doneAt(later, 110);
    expect(lie.broken).not.to.include('let go');
    later.options = { timeoutMillis: 200 };
    expect(lie.broken).to.include('let go');
  });

  it('lets the reader of an answered stream hear of it when the event loop turns again, and not later', () => {
    const { unit, attempt } = lie.asked('stream');
    const reset = lie.reset();
    lie.evidence.ledger.stalls.push({ ...lie.evidence.ledger.now(), at: 0, millis: 50 });
    lie.doneAt(reset, 51);
    const [asked] = attempt.asked;
    asked!.sql = 'select generate_series(1, 3)';
    lie.doneAt(asked!, 50);
    lie.doneAt(unit, 50);
    expect(lie.broken).to.be.empty;
    lie.doneAt(asked!, 51);
    expect(lie.broken).to.deep.equal(['told at once']);
  });
});
