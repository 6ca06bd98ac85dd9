// Hunts the mutants: each must be found within so many schedules.
import { type Failure, runCampaign } from '../campaign/campaign';
import { type Mutant, mutants } from './mutants';
import { mutate } from './mutate';

export interface Hunted {
  mutant: Mutant;
  /** Undefined: it got away. */
  foundBy: Failure | undefined;
}

/** @param onEnd told of each mutant when its hunt is over */
export async function hunt(count: number, workers: number, onEnd: (hunted: Hunted) => void): Promise<Hunted[]> {
  const all: Hunted[] = [];
  for (const mutant of mutants) {
    const { lib, remove } = mutate(mutant);
    try {
      const { failures } = await runCampaign({ seed: 1, count, workers, lib, isShort: true, explained: 0 });
      const hunted = { mutant, foundBy: failures[0] };
      all.push(hunted);
      onEnd(hunted);
    } finally {
      remove();
    }
  }
  return all;
}
