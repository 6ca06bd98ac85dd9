// Runs the tests with vitest, which is installed for it: with RUNNERS=1, as in CI.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { Project } from '../../spec/mocha/project';
import { PostgresServer } from '../../spec/support/postgres-server';

const VITEST = 'vitest@4.1.12';
const PROJECTS = path.join(__dirname, '..', '..', 'spec', 'mocha', 'projects');

async function main(): Promise<void> {
  if (!process.env.RUNNERS) {
    console.log('Skipped: it installs vitest. Run it with RUNNERS=1.');
    return;
  }
  const postgres = await PostgresServer.create();
  try {
    process.env.DATABASE_URL = postgres.url;
    const project = await Project.create(path.relative(PROJECTS, __dirname));
    const install = ['install', '--prefix', project.folder, '--no-audit', '--no-fund', '--no-save', VITEST];
    await promisify(execFile)('npm', install, { cwd: project.folder });
    await project.install();
    const vitest = ['node_modules/vitest/vitest.mjs', 'run'];
    const { output, code } = await project.node(vitest, { DATABASE_URL: postgres.url, NO_COLOR: '1' });
    console.log(output);
    await project.remove();
    const isAsExpected = code === 0 && /Tests +7 passed \(7\)/.test(output);
    console.log(isAsExpected ? 'As expected: all tests passed.' : 'Not as expected.');
    if (!isAsExpected) process.exitCode = 1;
  } finally {
    await postgres.dispose();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
