// A process that prints the heap, in bytes, of one idle connection and of one open transaction: `[idle, open]`. Its arguments: `ours` or
// `plain`, and the connection as JSON. What many of them add to the heap after a full collection is divided by their number.
import { text } from 'node:stream/consumers';
import { getHeapSnapshot } from 'node:v8';
import type { Knex } from 'knex';
import type { TestDatabase } from '../spec/support/database';
import { collectGarbage } from './harness';
import { ours, plain } from './instances';

/** What is there once comes with these. */
const FIRST = 10;
const COUNT = 90;

/** The parts of a heap snapshot that are read here: a flat list of numbers, so many for each node. */
interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[], ...unknown[]] } };
  nodes: number[];
}

/** The objects' bytes. Compiled code is none of them: V8 makes and drops as much of it meanwhile as some connections take. */
async function heap(): Promise<number> {
  // Once more in a later turn, for what finalizers let go.
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise(setImmediate);
  }
  const { snapshot, nodes } = JSON.parse(await text(getHeapSnapshot())) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size, code] = [fields.indexOf('type'), fields.indexOf('self_size'), types[0].indexOf('code')];
  let bytes = 0;
  for (let node = 0; node < nodes.length; node += fields.length) {
    if (nodes[node + type] !== code) bytes += nodes[node + size] as number;
  }
  return bytes;
}

/** Each on a connection of its own, all at once. */
const openAll = (db: Knex, count: number) => Promise.all(Array.from({ length: count }, () => db.transaction()));

async function openAndEnd(db: Knex, count: number): Promise<void> {
  const open = await openAll(db, count);
  for (const trx of open) await trx.raw('select 1');
  for (const trx of open) await trx.rollback();
}

async function main(side: string, connection: string): Promise<void> {
  const address = { connection: JSON.parse(connection) as TestDatabase['connection'] };
  const pool = { pool: { min: 0, max: FIRST + COUNT, idleTimeoutMillis: 600_000 } };
  const db = side === 'ours' ? ours(address, {}, pool) : plain(address, pool);
  for (let i = 0; i < 50; i++) await openAndEnd(db, FIRST);
  const few = await heap();
  await openAndEnd(db, FIRST + COUNT);
  const idle = await heap();
  const open = await openAll(db, COUNT);
  for (const trx of open) await trx.raw('select 1');
  console.log(JSON.stringify([(idle - few) / COUNT, ((await heap()) - idle) / COUNT]));
  for (const trx of open) await trx.rollback();
  await db.destroy();
}

main(process.argv[2] as string, process.argv[3] as string).catch((error: Error) => {
  console.error(error);
  process.exitCode = 1;
});
