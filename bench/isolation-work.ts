// What suites do to start each test clean: recycled connections, sandboxes, and what is done by hand.
import type { Knex } from 'knex';
import type * as Testing from '../lib/testing';
import type { Work } from './harness';
import type { ResettableKnex } from './instances';

export const { emptyTables } = require('../dist/testing.js') as typeof Testing;

export const TABLES = Array.from({ length: 20 }, (_, i) => `isolated_${i + 1}`);

export const recycleAndQuery =
  (db: ResettableKnex): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) {
      await db.resetConnection({ connections: 'recycle' });
      await db.raw('select 1');
    }
  };

/** The test itself. */
export const insert = (db: Knex) => db(TABLES[0] as string).insert({ name: 'a row' });

/** One test, and what keeps it from the next one. */
export type Isolated<K extends Knex = ResettableKnex> = (db: K) => Promise<unknown>;

export const sandbox: Isolated = async (db) => {
  const opened = await db.openSandbox();
  await insert(db);
  await opened.close();
};

const SECOND = TABLES.at(-1) as string;

/** Two of the tables hold rows. */
export const insertTwo = async (db: Knex) => {
  await insert(db);
  await db(SECOND).insert({ name: 'a row' });
};

export const clean: Isolated = async (db) => {
  await db.resetConnection({ connections: 'recycle' });
  await insert(db);
  await emptyTables(db);
};

export const truncateAll = (db: Knex) => db.raw(`truncate ${TABLES.join(', ')}`);

export const deleteFromEach = async (db: Knex) => {
  for (const table of TABLES) await db(table).del();
};

export const truncate: Isolated<Knex> = async (db) => {
  await insert(db);
  await truncateAll(db);
};

export const deleteEach: Isolated<Knex> = async (db) => {
  await insert(db);
  await deleteFromEach(db);
};

export const reset =
  (connections: 'close' | 'recycle'): Isolated =>
  async (db) => {
    await db.resetConnection({ connections });
    await insert(db);
  };

export const repeat =
  <K extends Knex>(db: K, test: Isolated<K>): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await test(db);
  };
