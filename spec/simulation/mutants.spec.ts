// The mutants still apply; that each is found shows `npm run simulate -- --mutants`.
import { expect } from 'chai';
import { mutants } from './mutants/mutants';
import { sourceOf } from './mutants/mutate';

describe('the mutants', () => {
  it('are twelve at least, each different', () => {
    expect(mutants.length).to.be.at.least(12);
    expect(new Set(mutants.map(({ slip }) => slip)).size).to.equal(mutants.length);
  });

  for (const mutant of mutants) {
    it(`apply once: ${mutant.slip}`, () => {
      expect(sourceOf(mutant).split(mutant.anchor)).to.have.length(2);
      expect(mutant.mutation).not.to.equal(mutant.anchor);
    });
  }
});
