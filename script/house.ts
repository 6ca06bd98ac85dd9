// npm run house: how large and how entangled lib/ is, and how many files a journey enters, beside the limits that the specs hold.
//   --journeys     lists the files of each journey as well
//   --json         prints the files of each journey and nothing else
import { parseArgs } from 'node:util';
import { mochaGlobalSetup, mochaGlobalTeardown } from '../spec/support/global-setup';
import { RULES, sources } from '../spec/support/house-rules';
import { filesEntered, type Journey, JOURNEYS } from '../spec/support/journeys';
import { Stage } from '../spec/support/stage';

const { values: flags } = parseArgs({
  options: { journeys: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

function show(title: string, today: number, limit: number, details: string[]): void {
  console.log(`${today > limit ? '!' : ' '} ${title.padEnd(62)} ${String(today).padStart(4)} of ${limit}`);
  for (const detail of details) console.log(`      ${detail}`);
}

function showRules(): void {
  const files = sources();
  for (const { title, limit, figures } of Object.values(RULES)) {
    const over = Object.entries(figures(files, limit));
    const largest = Math.max(0, ...Object.values(figures(files, -1)));
    show(
      title,
      largest,
      limit,
      over.map(([name, figure]) => `${name}: ${figure}`),
    );
  }
}

async function measureJourneys(): Promise<Map<Journey, string[]>> {
  await mochaGlobalSetup();
  const stage = new Stage();
  await stage.open();
  try {
    const measured = new Map<Journey, string[]>();
    for (const journey of JOURNEYS) {
      measured.set(journey, await filesEntered(journey, stage.resettable()));
      await stage.clear();
    }
    return measured;
  } finally {
    await stage.close();
    await mochaGlobalTeardown();
  }
}

async function main(): Promise<void> {
  if (!flags.json) showRules();
  const measured = [...(await measureJourneys())];
  if (flags.json)
    return console.log(JSON.stringify(Object.fromEntries(measured.map(([{ title }, files]) => [title, files]))));
  for (const [{ title, limit }, files] of measured)
    show(`files of lib/ in ${title}`, files.length, limit, flags.journeys ? files : []);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
