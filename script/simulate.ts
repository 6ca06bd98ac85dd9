// npm run simulate -- [--seed N] [--count N] [--workers N]     runs schedules; one seed alone is replayed
//   --transcript     prints all that happened, without shrinking
//   --find WORDS     counts the known faults that have these words in their description
//   --all            counts all known faults
import os from 'node:os';
import { parseArgs } from 'node:util';
import { type Failure, runCampaign } from '../spec/simulation/campaign/campaign';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string' },
    workers: { type: 'string' },
    all: { type: 'boolean', default: false },
    find: { type: 'string' },
    transcript: { type: 'boolean', default: false },
  },
});

function show({ seed, rules, text }: Failure): void {
  console.log(`\nseed ${seed} breaks: ${rules.join(', ')}   (npm run simulate -- --seed ${seed})`);
  if (text !== undefined) console.log(`shrunk:\n${text}`);
}

async function main(): Promise<void> {
  const isOne = values.seed !== undefined && values.count === undefined;
  const seed = Number(values.seed ?? 1);
  const count = isOne ? 1 : Number(values.count ?? 1000);
  const workers = Math.min(count, Number(values.workers ?? os.availableParallelism()));
  const startedAt = performance.now();
  const looksFor = values.all ? '' : values.find;
  const result = await runCampaign({ seed, count, workers, looksFor, isWhole: values.transcript }, show);
  for (const text of result.transcripts) console.log(text);
  const seconds = (performance.now() - startedAt) / 1000;
  const { schedules, statements, failures } = result;
  console.log(
    `\n${schedules} schedules with ${statements} statements in ${seconds.toFixed(1)} s (${(schedules / seconds).toFixed(0)}/s), seeds ${seed} to ${seed + count - 1}: ${failures.length} failed`,
  );
  process.exitCode = failures.length > 0 ? 1 : 0;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
