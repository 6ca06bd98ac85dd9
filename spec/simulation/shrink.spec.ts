// A failing schedule is made smaller for as long as it fails.
import { expect } from 'chai';
import { generate } from './schedule/generate';
import type { Schedule } from './schedule/schedule';
import { shrink } from './shrink/shrink';

describe('shrinking', () => {
  it('leaves the steps that matter, at their moment', async () => {
    const reset = (afterMillis: number) => ({
      afterMillis,
      action: { act: 'reset', options: {}, onCopy: false } as const,
    });
    const statement = { ask: 'insert', number: 1, hasBindings: false } as const;
    const ask = (afterMillis: number) => ({ afterMillis, action: { act: 'ask', statement, onCopy: true } as const });
    const whole: Schedule = { ...generate(1), steps: [ask(3), ask(4), reset(5), ask(6), reset(7)] };
    const fails = async ({ steps }: Schedule) => steps.filter(({ action }) => action.act === 'reset').length === 2;
    const smallest = await shrink(whole, fails);
    expect(smallest.steps.map(({ action }) => action.act)).to.deep.equal(['reset', 'reset']);
    expect(smallest.setting).to.deep.include({ way: 'address', fragmentation: 0, poolMin: 0 });
  });

  it('draws the same schedule from the same seed', () => {
    expect(generate(42)).to.deep.equal(generate(42));
    expect(generate(42)).not.to.deep.equal(generate(43));
  });
});
