// One schedule, run and judged.
import '../clock/install';
import type { Violation } from '../oracle/violation';
import { judge } from '../oracle/oracle';
import { type Evidence, run } from '../run/run';
import { generate } from '../schedule/generate';
import type { Schedule } from '../schedule/schedule';
import { shrink } from '../shrink/shrink';
import { transcript } from '../transcript';

export interface Trial {
  schedule: Schedule;
  evidence?: Evidence;
  violations: Violation[];
}

let warm: Promise<unknown> | undefined;

/** What is loaded or looked up once in a process is, before the first schedule counts. */
function warmUp(): Promise<unknown> {
  const { setting } = generate(0);
  const action = { act: 'block', body: [], options: {}, onCopy: false } as const;
  warm ??= run({
    seed: 0,
    setting: { ...setting, foreign: {} },
    steps: [{ afterMillis: 0, action: { ...action, body: [] } }],
  });
  return warm;
}

export async function tryOut(schedule: Schedule): Promise<Trial> {
  try {
    await warmUp();
    const evidence = await run(schedule);
    return { schedule, evidence, violations: judge(evidence) };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { schedule, violations: [{ rule: 'runs', text }] };
  }
}

export function textOf({ evidence, violations }: Trial): string {
  return evidence ? transcript(evidence, violations) : violations.map(({ text }) => text).join('\n');
}

/** The smallest schedule that breaks the same invariant, as a readable text. */
export async function explain(trial: Trial): Promise<string> {
  const [{ rule } = { rule: '' }] = trial.violations;
  const fails = async (candidate: Schedule) =>
    (await tryOut(candidate)).violations.some((violation) => violation.rule === rule);
  return textOf(await tryOut(await shrink(trial.schedule, fails)));
}
