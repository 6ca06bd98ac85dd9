// `npm run pictures`: draws the pictures of docs/ from the data beside this file. `npm run pictures -- --record` records a reset anew first.
import fs from 'node:fs';
import path from 'node:path';
import { drawBenchmark } from './draw-benchmark';
import { drawReset } from './draw-reset';
import { drawStates } from './draw-states';
import { recordReset } from './record-reset';

const FOLDER = path.resolve(__dirname, '..', '..', 'docs', 'pictures');

export const PICTURES: Record<string, () => string> = {
  'reset.svg': drawReset,
  'benchmark.svg': drawBenchmark,
  'states.svg': drawStates,
};

async function main(): Promise<void> {
  if (process.argv.includes('--record')) await recordReset();
  fs.mkdirSync(FOLDER, { recursive: true });
  for (const [name, draw] of Object.entries(PICTURES)) fs.writeFileSync(path.join(FOLDER, name), draw());
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
