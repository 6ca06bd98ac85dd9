// The deploy script: however many machines start it at once, and however the last one ended, each migration runs once.
import knex from 'knex';
import { resettable } from 'knex-reset';
import { withMigrationLock } from 'knex-reset/migrations';
import config from './knexfile';

async function main(): Promise<void> {
  const db = resettable(knex(config));
  try {
    const [batch, names] = await withMigrationLock(db, () => db.migrate.latest(), { waitMillis: 120_000 });
    console.log(names.length > 0 ? `batch ${batch}: ${names.join(', ')}` : 'nothing to migrate');
  } finally {
    await db.destroy();
  }
}

main().catch((error: unknown) => {
  console.error(String(error));
  process.exitCode = 1;
});
