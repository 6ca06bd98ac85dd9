// Runs script/smoke.cjs on the build in each runtime that is installed, and prints a table: npm run runtimes [-- what must be there …]
import { execFile } from 'node:child_process';
import path from 'node:path';
import { PostgresServer } from '../spec/support/postgres-server';
import { ordinaryUrl } from '../spec/support/database';

const SMOKE = path.join(__dirname, 'smoke.cjs');
const RUNTIMES: Record<string, string[]> = {
  node: [SMOKE],
  bun: [SMOKE],
  deno: ['run', '--allow-all', SMOKE],
};

interface Row {
  runtime: string;
  version: string;
  outcome: string;
}

async function main(): Promise<void> {
  const needed = process.argv.slice(2);
  const server = await PostgresServer.create();
  const rows: Row[] = [];
  try {
    const url = await ordinaryUrl(server.url);
    for (const [runtime, args] of Object.entries(RUNTIMES)) rows.push(await tryOut(runtime, args, url));
  } finally {
    await server.dispose();
  }
  console.table(rows);
  const isFine = ({ runtime, outcome }: Row) => outcome === 'ok' || (outcome === MISSING && !needed.includes(runtime));
  if (!rows.every(isFine)) process.exitCode = 1;
}

const MISSING = 'not installed';

async function tryOut(runtime: string, args: string[], url: string): Promise<Row> {
  const version = await run(runtime, ['--version']);
  if (version === MISSING) return { runtime, version: '', outcome: MISSING };
  const outcome = await run(runtime, args, { DATABASE_URL: url });
  return { runtime, version: version.split('\n')[0] ?? '', outcome };
}

/** What it prints, or why it failed. A process that does not end by itself fails. */
function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 60_000 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') resolve(MISSING);
      else resolve(error ? `${error.message}\n${stderr}` : stdout.trim());
    });
  });
}

main().catch((error: Error) => {
  console.error(error);
  process.exitCode = 1;
});
