// Virtual time keeps the order of Node's event loop.
import { expect } from 'chai';
import { VirtualClock } from './clock/virtual-clock';

describe('the virtual clock', () => {
  it('runs what is due in the order of time, and moves only then', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimeout(() => void log.push(`timer ${clock.now}`), 50, []);
    clock.input(20, () => void log.push(`input ${clock.now}`));
    clock.setImmediate(() => void log.push(`immediate ${clock.now}`), []);
    await clock.run(() => false);
    expect(log).to.deep.equal(['immediate 0', 'input 20', 'timer 50']);
  });

  it('runs timers before input when it was blocked', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimeout(() => void log.push('timer'), 50, []);
    clock.input(20, () => void log.push('input'));
    clock.block(100);
    await clock.run(() => false);
    expect(log).to.deep.equal(['timer', 'input']);
  });

  it('lets promises settle between two that are due', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    const later = () => Promise.resolve().then(() => log.push('then'));
    clock.setTimeout(() => void later(), 5, []);
    clock.setTimeout(() => void log.push('second'), 5, []);
    await clock.run(() => false);
    expect(log).to.deep.equal(['then', 'second']);
  });

  it('knows what is still pending', async () => {
    const clock = new VirtualClock();
    const timer = clock.setTimeout(() => {}, 5, []);
    clock.setTimeout(() => {}, 5, [], 5);
    expect(clock.pending).to.have.length(2);
    timer.close();
    await clock.run(() => clock.now > 20);
    expect(clock.pending).to.have.length(1);
  });
});
