// A few schedules with every run of the specs; `npm run simulate` runs many.
import { expect } from 'chai';
import { runCampaign } from './campaign/campaign';

describe('simulation', () => {
  it('finds nothing in a few schedules', async function () {
    this.timeout(120_000);
    const { failures, schedules } = await runCampaign({ seed: 1, count: 100, workers: 1, explained: 1 });
    expect(failures.map(({ seed, rules, text }) => `seed ${seed}: ${rules.join(', ')}\n${text}`)).to.be.empty;
    expect(schedules).to.equal(100);
  });
});
