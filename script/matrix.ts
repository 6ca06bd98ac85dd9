// Runs the specs on each supported Node with each supported knex, and prints a table: npm run test:matrix
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// The floor of `engines`, and the newest of each later line. The binaries come from npm.
const nodeVersions = ['20.19.0', '20', '22', '24', '26'];
const knexBuilds = ['knex30', 'knex31', 'knex'];
const specs = process.argv.slice(2);

interface Row {
  node: string;
  knex: string;
  outcome: string;
  seconds: number;
}

async function main(): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-matrix-'));
  const rows: Row[] = [];
  let failed = false;
  try {
    install(folder);
    for (const node of nodeVersions) {
      for (const knex of knexBuilds) {
        const { row, output, passed } = await run(folder, node, knex);
        rows.push(row);
        if (passed) continue;
        failed = true;
        console.log(output);
      }
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  console.table(rows);
  if (failed) process.exitCode = 1;
}

function install(folder: string): void {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const packages = nodeVersions.map((version) => `${alias(version)}@npm:node-${platform}-${process.arch}@${version}`);
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder];
  const npm = spawnSync('npm', ['install', ...flags, ...packages], { stdio: 'inherit' });
  if (npm.status !== 0) throw new Error('the Node binaries could not be installed');
}

function alias(version: string): string {
  return `node-${version}`;
}

function run(folder: string, node: string, knex: string): Promise<{ row: Row; output: string; passed: boolean }> {
  const binary = path.join(folder, 'node_modules', alias(node), 'bin', 'node');
  const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const start = performance.now();
  return new Promise((resolve) => {
    const args = [require.resolve('mocha/bin/mocha.js'), ...specs];
    const options = { env: { ...process.env, KNEX_BUILD: knex }, maxBuffer: 64 * 1024 * 1024 };
    execFile(binary, args, options, (error, stdout, stderr) => {
      const outcome = /^\d+ passed, \d+ failed, \d+ skipped$/m.exec(stdout)?.[0] ?? error?.message.split('\n')[0] ?? '';
      const seconds = Math.round((performance.now() - start) / 100) / 10;
      resolve({ row: { node: version, knex, outcome, seconds }, output: stdout + stderr, passed: !error });
    });
  });
}

void main();
