// Makes a failing schedule as small as it can be while it breaks the same invariant.
import type { Schedule } from '../schedule/schedule';
import { simpler } from './simpler';

/** The schedule itself, where nothing simpler fails. @param fails whether a schedule breaks the invariant */
export async function shrink(
  schedule: Schedule,
  fails: (candidate: Schedule) => Promise<boolean>,
  mostRuns = 2000,
): Promise<Schedule> {
  let smallest = schedule;
  let runs = 0;
  for (let hasShrunk = true; hasShrunk && runs < mostRuns; ) {
    hasShrunk = false;
    for (const candidate of simpler(smallest)) {
      runs += 1;
      if (runs > mostRuns) break;
      if (!(await fails(candidate))) continue;
      smallest = candidate;
      hasShrunk = true;
      break;
    }
  }
  return smallest;
}
