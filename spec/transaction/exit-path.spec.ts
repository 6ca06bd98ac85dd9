// Each await on a transaction's way out: its connection dies there, a reset comes there.
import { expect } from 'chai';
import { until } from '../support/until';
import { at, exitSteps, mine, type Run, type Step, type Strike } from './exit-steps';
import { type AnyError, useStage } from './stage';

describe('the way out of a transaction', () => {
  const stage = useStage();
  let resetting: Promise<unknown> | undefined;

  async function outcomeOf(step: Step, strike: Strike): Promise<string> {
    const strikes: number[] = [];
    const run: Run = (block, options) => stage.db.atomic(block as never, options);
    const result = await step
      .run(run, (link) => {
        strikes.push(1);
        strike(link);
      })
      .then(
        (value) => String(value),
        (error: AnyError) => (error === mine ? 'mine' : (error.code ?? error.message)),
      );
    expect(strikes, 'it struck once').to.deep.equal([1]);
    return result;
  }

  /** Nothing is in use or open, and the instance works. */
  async function expectSound(): Promise<void> {
    await stage.idle();
    expect(stage.db.connectionState().transactions).to.deep.equal([]);
    expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await until('no backend is in a transaction', async () =>
      (await stage.database.backends()).every(({ state, query }) => state === 'idle' || query.includes('pg_sleep')),
    );
  }

  afterEach(async () => {
    delete (mine as { suppressed?: unknown }).suppressed;
    // A server notices that a client is gone only when it has something to say to it.
    for (const { pid } of await stage.database.backends()) await stage.database.terminate(pid);
  });

  describe('when the connection dies', () => {
    for (const step of exitSteps(stage)) {
      it(`ends with ${step.death} ${step.name}`, async () => {
        const die: Strike = (link) => (link ? link.reset() : stage.proxy.reset());
        expect(await outcomeOf(step, die)).to.equal(step.death);
        await expectSound();
      });
    }
  });

  describe('when a reset comes', () => {
    for (const step of exitSteps(stage)) {
      it(`ends with ${step.reset} ${step.name}`, async () => {
        const reset: Strike = (link) => {
          link?.swallowAnswers(); // so that the reset is sure to come before the answer
          resetting = stage.db.resetConnection();
        };
        expect(await outcomeOf(step, reset)).to.equal(step.reset);
        await resetting;
        await expectSound();
      });
    }

    it('commits when a reset comes while COMMIT is under way and its answer arrives', async () => {
      at(stage, /COMMIT/, () => {
        resetting = stage.db.resetConnection();
      });
      expect(await stage.db.atomic((trx) => trx.raw('insert into t values (1)').then(() => 'value'))).to.equal('value');
      await resetting;
      expect(await stage.ids()).to.deep.equal([1]);
      await expectSound();
    });
  });
});
