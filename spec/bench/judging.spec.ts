// How the benchmark tells whether a goal is reached.
import { expect } from 'chai';
import fc from 'fast-check';
import { duration, estimateByProcess, estimateOf, price, throughput, verdictOf } from '../../bench/harness';

/** As many ratios, evenly around a median. */
const ratios = (median: number, spread: number, count = 101) =>
  Array.from({ length: count }, (_, index) => median + spread * ((2 * index) / (count - 1) - 1));

const judged = (goal: Parameters<typeof verdictOf>[0], values: number[]) => verdictOf(goal, estimateOf(values));

describe('the judgement of a benchmark', () => {
  it('is ok when the median reaches the goal', () => {
    expect(judged(duration(1), ratios(0.99, 0.2))).to.equal('ok');
    expect(judged(throughput(0.98), ratios(0.99, 0.2))).to.equal('ok');
  });

  it('is missed when the whole confidence interval lies beyond the goal', () => {
    expect(judged(duration(1), ratios(1.03, 0.1))).to.equal('MISSED');
    expect(judged(throughput(0.98), ratios(0.95, 0.1))).to.equal('MISSED');
  });

  it('is within the error when the goal lies in the interval', () => {
    expect(judged(duration(1), ratios(1.01, 0.2))).to.equal('ok, within error');
    expect(judged(throughput(0.98), ratios(0.97, 0.2))).to.equal('ok, within error');
  });

  it('is unclear when the interval holds the goal and is wider than a tenth to each side', () => {
    expect(judged(duration(1), ratios(1.01, 0.9))).to.equal('UNCLEAR');
    expect(judged(throughput(0.98), ratios(0.97, 0.9))).to.equal('UNCLEAR');
  });

  it('is unclear with such an interval also when the median reaches the goal', () => {
    expect(judged(duration(1), ratios(0.99, 0.9))).to.equal('UNCLEAR');
    expect(judged(throughput(0.98), ratios(0.99, 0.9))).to.equal('UNCLEAR');
  });

  it('is ok with a wide interval that lies within the goal', () => {
    expect(judged(duration(1), ratios(0.5, 0.5))).to.equal('ok');
    expect(judged(throughput(0.98), ratios(3, 3))).to.equal('ok');
  });

  it('is left out where the figure is only stated', () => {
    expect(judged(price, ratios(7, 0.1))).to.equal('');
  });

  it('has the true median in its interval in 95 of 100 runs, whatever the distribution', () => {
    let state = 1;
    const random = () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    let inside = 0;
    for (let run = 0; run < 2000; run++) {
      // A long tail to one side: what disturbs a round only ever slows it down.
      const { low, high } = estimateOf(Array.from({ length: 40 }, () => -Math.log(random())));
      if (low <= Math.LN2 && Math.LN2 <= high) inside++;
    }
    expect(inside / 2000).to.be.within(0.93, 0.98);
  });

  it('has the differences between processes in its interval, however many rounds there are', () => {
    const processes = [0.96, 0.99, 1.0, 1.02, 1.03, 1.05];
    const rounds = Array.from({ length: 600 }, (_, round) => processes[round % processes.length] as number);
    expect(estimateByProcess(rounds, processes.length)).to.include({ ratio: 1.01, low: 0.96, high: 1.05 });
    expect(estimateByProcess(rounds, 1).high).to.be.below(1.05);
  });

  it('has its median inside its interval', () => {
    const values = fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, (some) => {
        const { ratio, low, high } = estimateOf(some);
        expect(low).to.be.at.most(ratio);
        expect(high).to.be.at.least(ratio);
      }),
    );
  });
});
