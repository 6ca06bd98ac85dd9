// The drivers that SQLite is run by in specs: better-sqlite3 and sqlite3 where they are there, and libsql, which stands in for the first.
import type { Knex } from 'knex';
import { makeKnex } from './quiet-knex';

export const SQLITE_ENGINES = ['better-sqlite3', 'sqlite3', 'libsql'];

/** Native modules are built when they are installed, where that is allowed and possible: they are there or not. */
export function whyNot(engine: string): string | undefined {
  try {
    const module = require(engine);
    if (engine !== 'sqlite3') new module(':memory:').close();
    return undefined;
  } catch (error) {
    return `${engine} cannot be loaded, ${(error as { code?: string }).code ?? 'built for another version'}`;
  }
}

/** What knex takes as its `client`. */
export function sqliteClient(engine: string): string | typeof Knex.Client {
  return engine === 'libsql' ? withLibsql() : engine;
}

/** knex's dialect for better-sqlite3 with another driver in it. */
function withLibsql(): typeof Knex.Client {
  const Dialect = makeKnex(undefined as never, { client: 'better-sqlite3', useNullAsDefault: true }).client.constructor;
  return class extends Dialect {
    _driver() {
      return require('libsql');
    }
  } as unknown as typeof Knex.Client;
}
