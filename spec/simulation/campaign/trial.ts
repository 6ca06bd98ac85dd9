// One schedule, run and judged. What known faults explain does not count.
import '../clock/install';
import type { Violation } from '../oracle/violation';
import { judge } from '../oracle/oracle';
import { type Evidence, run } from '../run/run';
import { generate } from '../schedule/generate';
import { knownFaults } from '../schedule/known-faults';
import type { Schedule } from '../schedule/schedule';
import { shrink } from '../shrink/shrink';
import { transcript } from '../transcript';

export interface Trial {
  schedule: Schedule;
  evidence?: Evidence;
  violations: Violation[];
}

/** @param leavesNothingOut known faults count as well */
export async function tryOut(schedule: Schedule, leavesNothingOut = false): Promise<Trial> {
  try {
    const evidence = await run(schedule);
    const violations = judge(evidence).filter(
      (violation) => leavesNothingOut || !knownFaults.some((fault) => fault.excuses?.(violation, evidence)),
    );
    return { schedule, evidence, violations };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { schedule, violations: [{ rule: 'runs', text }] };
  }
}

export function scheduleOf(seed: number, leavesNothingOut = false): Schedule {
  const schedule = generate(seed);
  if (!leavesNothingOut) for (const fault of knownFaults) fault.avoid?.(schedule);
  return schedule;
}

/** The smallest schedule that breaks the same invariant, as a readable text. */
export async function explain(trial: Trial, leavesNothingOut = false): Promise<string> {
  const [{ rule } = { rule: '' }] = trial.violations;
  const fails = async (candidate: Schedule) =>
    (await tryOut(candidate, leavesNothingOut)).violations.some((violation) => violation.rule === rule);
  const smallest = await tryOut(await shrink(trial.schedule, fails), leavesNothingOut);
  if (!smallest.evidence) return smallest.violations.map(({ text }) => text).join('\n');
  return transcript(smallest.evidence, smallest.violations);
}
