// A reset of an instance that has one idle connection, and what a user of plain knex does instead: each with a query behind it.
import type { Knex } from 'knex';
import type { Work } from './harness';
import type { ResettableKnex } from './instances';

export const resetAndQuery =
  (db: ResettableKnex): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) {
      await db.resetConnection();
      await db.raw('select 1');
    }
  };

export const destroyAndQuery =
  (db: Knex): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) {
      await db.destroy();
      db.initialize();
      await db.raw('select 1');
    }
  };
