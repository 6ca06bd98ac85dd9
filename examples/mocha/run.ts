// Runs the app's tests, and expects exactly the one failure that shows the app's bug.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { ordinaryUrl } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';

async function main(): Promise<void> {
  const postgres = await PostgresServer.create();
  try {
    const env = { ...process.env, DATABASE_URL: await ordinaryUrl(postgres.url) };
    await run(
      [
        ...process.execArgv,
        '--eval',
        `require(${JSON.stringify(file('bank.ts'))}).migrate().then(() => process.exit())`,
      ],
      env,
    );
    const mocha = [require.resolve('mocha/bin/mocha.js'), '--no-config', '--require', 'tsx/cjs'];
    const { code, output } = await run([...mocha, '--require', file('hooks.ts'), file('bank.test.ts')], env);
    const isAsExpected =
      code === 1 &&
      output.includes('6 passing') &&
      output.includes('"the bank closes no account that is not there" left 1 transaction open') &&
      /at (async )?close \(.*bank\.ts:\d+/.test(output);
    console.log(isAsExpected ? 'As expected: one test fails, by name, with where it was.' : 'Not as expected.');
    if (!isAsExpected) process.exitCode = 1;
  } finally {
    await postgres.dispose();
  }
}

function file(name: string): string {
  return path.join(__dirname, name);
}

async function run(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
