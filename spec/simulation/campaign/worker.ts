// A process that runs every nth seed of a campaign, and tells its parent what failed.
import { generate } from '../schedule/generate';
import { explain, textOf, tryOut } from './trial';

export interface Task {
  from: number;
  to: number;
  step: number;
  /** Ends at the first failure. */
  isShort: boolean;
  /** How many failures are shrunk and told in full. */
  explained: number;
  /** What passes is told as well, and nothing is shrunk. */
  isWhole?: boolean | undefined;
}

export type Report =
  | { is: 'failure'; seed: number; rules: string[]; text?: string | undefined }
  | { is: 'transcript'; text: string }
  | { is: 'done'; schedules: number; statements: number };

async function work({ from, to, step, isShort, explained, isWhole }: Task): Promise<void> {
  let schedules = 0;
  let statements = 0;
  let failures = 0;
  for (let seed = from; seed < to; seed += step) {
    const trial = await tryOut(generate(seed));
    schedules += 1;
    statements += trial.evidence?.ledger.asked.length ?? 0;
    if (isWhole) tell({ is: 'transcript', text: textOf(trial) });
    if (trial.violations.length === 0) continue;
    failures += 1;
    const rules = [...new Set(trial.violations.map(({ rule }) => rule))];
    const text = failures <= explained && !isWhole ? await explain(trial) : undefined;
    tell({ is: 'failure', seed, rules, text });
    if (isShort) break;
  }
  tell({ is: 'done', schedules, statements });
}

function tell(report: Report): void {
  process.send?.(report);
}

process.once('message', (task: Task) => {
  work(task).then(
    () => process.disconnect(),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
