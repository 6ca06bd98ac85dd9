// The two sides: plain knex, and knex made resettable by what a user would install, the build in dist/.
import type { Knex } from 'knex';
import type * as Library from '../lib';
import type { Resettable, ResettableOptions } from '../lib';
import type { TestDatabase } from '../spec/support/database';
import { makeKnex } from '../spec/support/quiet-knex';
import type { Line } from './harness';

// Not lib/ through tsx: its loader wraps each closure to keep its name, which the library would pay for and knex would not.
// As a user runs it: tsx switches source maps on, with which a stack takes four times as long.
process.setSourceMapsEnabled(false);

const { resettable } = require('../dist/index.js') as typeof Library;

export type ResettableKnex = Knex & Resettable;

export type Address = Pick<TestDatabase, 'connection'>;

export interface Benchmark {
  name: string;
  /** Several server processes work at once in it, which one core would take one after the other: it is run on all of them. */
  isSpread?: boolean;
  run(database: TestDatabase): Promise<Line[]>;
}

export function plain({ connection }: Address, config?: Knex.Config): Knex {
  return makeKnex(connection, config);
}

export function ours({ connection }: Address, options?: ResettableOptions, config?: Knex.Config): ResettableKnex {
  return resettable(makeKnex(connection, config), options);
}

/** Runs the work with both, and ends both. */
export async function withBoth<T>(
  database: TestDatabase,
  work: (db: ResettableKnex, rival: Knex) => Promise<T>,
): Promise<T> {
  const [db, rival] = [ours(database), plain(database)];
  try {
    return await work(db, rival);
  } finally {
    await Promise.all([db.destroy(), rival.destroy()]);
  }
}
