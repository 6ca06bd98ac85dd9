// Waits with a bound, where the event loop was blocked when the time was up.
import { expect } from 'chai';
import { Deadline, EXTENSION_MILLIS, within } from '../../lib/words/waiting';

describe('a wait with a deadline', () => {
  const never = new Promise<never>(() => {});
  const ROUNDS = 4;

  function blockFor(millis: number): void {
    for (const end = performance.now() + millis; performance.now() < end; );
  }

  async function millisOf(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work();
    return performance.now() - start;
  }

  /** One wait after the other, all until the same time, whose end the loop sleeps through. */
  async function waitAgainAndAgain(deadlines: () => Deadline[]): Promise<number> {
    const first = deadlines();
    const waits = async () => {
      for (const deadline of [...first, ...first]) await within(deadline, never);
    };
    setImmediate(blockFor, 2 * EXTENSION_MILLIS);
    return (await millisOf(waits)) - 2 * EXTENSION_MILLIS;
  }

  it('is prolonged where the loop was blocked at its end, once for all waits until then', async () => {
    const more = await waitAgainAndAgain(() => Array<Deadline>(ROUNDS).fill(new Deadline(5)));
    expect(more).to.be.within(EXTENSION_MILLIS - 20, 4 * EXTENSION_MILLIS);
  });

  it('is prolonged once together with its parts', async () => {
    const more = await waitAgainAndAgain(() => {
      const deadline = new Deadline(5);
      return [deadline.part(0.5), deadline.part(0.8), deadline];
    });
    expect(more).to.be.within(EXTENSION_MILLIS - 20, 4 * EXTENSION_MILLIS);
  });

  it('ends without a value when the time is up, and with the value before', async () => {
    expect(await within(5, never)).to.equal(undefined);
    expect(await within(1000, Promise.resolve('value'))).to.equal('value');
  });
});
