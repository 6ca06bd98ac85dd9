// A few schedules with every run of the specs; `npm run simulate` runs many.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
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

  const simulate = (...given: string[]) =>
    spawnSync(
      process.execPath,
      ['--import', 'tsx', path.resolve(__dirname, '..', '..', 'script', 'simulate.ts'), ...given],
      {
        encoding: 'utf8',
      },
    );

  it('tells how it is called', function () {
    this.timeout(60_000);
    const { status, stdout } = simulate('--help');
    expect(stdout).to.include('--seed N').and.to.include('--mutants');
    expect(status).to.equal(0);
  });

  it('refuses an option that there is not in one line, and tells how it is called', function () {
    this.timeout(60_000);
    const { status, stdout, stderr } = simulate('--sed', '5');
    expect(stderr)
      .to.match(/^Unknown option '--sed'/)
      .and.to.include('--seed N')
      .and.not.include('    at ');
    expect([status, stdout]).to.deep.equal([1, '']);
  });
});
