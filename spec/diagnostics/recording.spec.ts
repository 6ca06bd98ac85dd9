// Where queries are asked is recorded while somebody wants it. What that needs does not pile up.
import { createHook } from 'node:async_hooks';
import { expect } from 'chai';
import { Recording } from '../../lib/diagnostics/recording';
import { nextTurn } from '../support/outcome';

describe('recording where queries are asked', () => {
  it('leaves one thing to do behind, however many queries follow each other without a turn of the event loop', async () => {
    let made: ((builder: object, entry: unknown) => void) | undefined;
    const recording = new Recording((watch) => {
      made = watch;
    });
    const stop = recording.start();
    let ticks = 0;
    const counting = createHook({
      init(_id, type) {
        if (type === 'TickObject') ticks++;
      },
    }).enable();
    for (let i = 0; i < 100; i++) {
      const builder = {};
      made?.(builder, made);
      recording.running(builder);
      expect(recording.take()?.builder).to.equal(builder);
    }
    counting.disable();
    expect(ticks).to.equal(1);
    // What is not taken at once is forgotten, then as before.
    for (let i = 0; i < 2; i++) {
      recording.running({});
      await nextTurn();
      expect(recording.take()).to.be.undefined;
    }
    stop();
  });
});
