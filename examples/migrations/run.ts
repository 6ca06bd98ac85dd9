// Two deploys at once, on an empty database: starts the script twice, then shows what became of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Client } from 'pg';
import { ordinaryUrl } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';

async function main(): Promise<void> {
  const postgres = await PostgresServer.create();
  try {
    const url = await ordinaryUrl(postgres.url);
    await Promise.all(['deploy 1', 'deploy 2'].map((name) => deploy(name, url)));
    const client = new Client({ connectionString: url });
    await client.connect();
    const accounts = await client.query('select id, email from accounts order by id');
    const lock = await client.query('select is_locked from knex_migrations_lock');
    await client.end();
    console.log('accounts:', accounts.rows, 'lock row:', lock.rows);
  } finally {
    await postgres.dispose();
  }
}

async function deploy(name: string, url: string): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, path.join(__dirname, 'migrate.ts')], {
    env: { ...process.env, DATABASE_URL: url, PGAPPNAME: name },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => console.log(`${name}: ${text.trim()}`));
  const [code] = await once(child, 'close');
  if (code !== 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
