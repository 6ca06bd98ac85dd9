// Random schedules against a simulated server: `npm run simulate -- --help` tells how.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { type Failure, runCampaign } from '../spec/simulation/campaign/campaign';
import { hunt } from '../spec/simulation/mutants/hunt';

const USAGE = `npm run simulate -- [--seed N] [--count N] [--workers N]
  runs 1000 schedules, or as many as --count says, from --seed on; a seed alone is replayed
  --workers N     so many processes, as many as there are cores by default
  --transcript    prints all that happened, without shrinking
  --mutants       runs schedules against each mutant of the package until one fails`;

const parse = () =>
  parseArgs({
    options: {
      seed: { type: 'string' },
      count: { type: 'string' },
      workers: { type: 'string' },
      transcript: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;

type Options = ReturnType<typeof parse>;

function show({ seed, rules, text }: Failure): void {
  console.log(`\nseed ${seed} breaks: ${rules.join(', ')}   (npm run simulate -- --seed ${seed})`);
  if (text !== undefined) console.log(`shrunk:\n${text}`);
}

/** How many schedules may be needed to find a mutant. */
const MUTANT_SCHEDULES = 5000;

async function huntMutants(values: Options): Promise<void> {
  const workers = Number(values.workers ?? os.availableParallelism());
  const hunted = await hunt(MUTANT_SCHEDULES, workers, ({ mutant, foundBy }) => {
    const found = foundBy ? `found by seed ${foundBy.seed} (${foundBy.rules.join(', ')})` : 'GOT AWAY';
    console.log(`${mutant.slip}: ${found}`);
  });
  const escaped = hunted.filter(({ foundBy }) => !foundBy).length;
  console.log(`${hunted.length} mutants, ${escaped} got away`);
  process.exitCode = escaped > 0 ? 1 : 0;
}

async function simulate(values: Options): Promise<void> {
  const isOne = values.seed !== undefined && values.count === undefined;
  const seed = Number(values.seed ?? 1);
  const count = isOne ? 1 : Number(values.count ?? 1000);
  const workers = Math.min(count, Number(values.workers ?? os.availableParallelism()));
  const startedAt = performance.now();
  const result = await runCampaign({ seed, count, workers, isWhole: values.transcript }, show);
  for (const text of result.transcripts) console.log(text);
  const seconds = (performance.now() - startedAt) / 1000;
  const { schedules, statements, failures } = result;
  console.log(
    `\n${schedules} schedules with ${statements} statements in ${seconds.toFixed(1)} s (${(schedules / seconds).toFixed(0)}/s), seeds ${seed} to ${seed + count - 1}: ${failures.length} failed`,
  );
  process.exitCode = failures.length > 0 ? 1 : 0;
}

async function main(): Promise<void> {
  let values: Options;
  try {
    values = parse();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 1;
    return;
  }
  if (values.help) return console.log(USAGE);
  return values.mutants ? huntMutants(values) : simulate(values);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
