// What every runtime must do with the built package on the PostgreSQL or MySQL server of DATABASE_URL, in plain JavaScript; prints ok and
// ends by itself.
const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const knex = require('knex');
const { atomic, ResetError, resettable, TransactionFailedError } = require('../dist/index.js');
const { emptyTables, resetHooks } = entry('testing') ?? require('../dist/mocha.js');
const { withMigrationLock } = require('../dist/migrations.js');

function entry(name) {
  return require('node:fs').existsSync(`${__dirname}/../dist/${name}.js`) ? require(`../dist/${name}.js`) : undefined;
}

const url = process.env.DATABASE_URL;
const isMysql = url.startsWith('mysql');
const client = isMysql ? 'mysql2' : 'pg';
const SLEEP = isMysql ? 'select sleep(60)' : 'select pg_sleep(60)';
const db = resettable(knex({ client, connection: url, pool: { min: 0, max: 4 } }), { ambient: true });
const ids = () => db('t').orderBy('id').pluck('id');
const failure = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );

async function transactions() {
  await db.schema.dropTableIfExists('t');
  await db.schema.createTable('t', (table) => table.integer('id').primary());
  const hooks = [];
  const value = await db.atomic(async (trx) => {
    trx.afterCommit(() => void hooks.push('committed'));
    await db('t').insert({ id: 1 });
    await failure(atomic(trx, (inner) => inner('t').insert({ id: 1 })));
    return 'value';
  });
  assert.deepEqual([value, hooks, await ids()], ['value', ['committed'], [1]]);
  if (isMysql) return; // where a failed statement does not fail its transaction
  const swallowed = db.transaction(async (trx) => {
    await trx('t').insert({ id: 2 });
    await trx('t')
      .insert({ id: 2 })
      .catch(() => {});
  });
  assert.ok((await failure(swallowed)) instanceof TransactionFailedError);
}

async function resets() {
  const open = failure(
    db.transaction(async (trx) => {
      await trx('t').insert({ id: 3 });
      await trx.raw(SLEEP);
    }),
  );
  while (db.connectionState().transactions[0]?.lastSql !== SLEEP) await sleep(5);
  const report = await db.resetConnection({ reason: 'smoke' });
  assert.equal(report.abortedTransactions.length, 1);
  assert.ok((await open) instanceof ResetError);
  assert.ok(report.durationMillis < 5000, 'the server was told to stop');
  assert.equal((await db.resetConnection({ connections: 'recycle' })).generation, 2);
  assert.deepEqual(await ids(), [1]);
}

async function tests() {
  const sandboxed = Promise.all(
    [4, 5].map((id) =>
      db.sandbox(async () => {
        await db('t').insert({ id });
        return ids();
      }),
    ),
  );
  assert.deepEqual(await sandboxed, [
    [1, 4],
    [1, 5],
  ]);
  assert.deepEqual(await ids(), [1]);
  assert.equal(await withMigrationLock(db, () => 'migrated'), 'migrated');
  assert.equal(typeof resetHooks(db).afterAll, 'function');
  if (emptyTables) assert.deepEqual(await emptyTables(db), ['t']);
}

async function main() {
  await transactions();
  await resets();
  await tests();
  await db.destroy();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
