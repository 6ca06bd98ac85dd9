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

  it('plays a seed the same way again, whatever was played before', async function () {
    this.timeout(120_000);
    const alone = await runCampaign({ seed: 12, count: 1, workers: 1, isWhole: true });
    const later = await runCampaign({ seed: 9, count: 4, workers: 1, isWhole: true });
    expect(later.transcripts.at(-1)).to.equal(alone.transcripts[0]);
  });
});
