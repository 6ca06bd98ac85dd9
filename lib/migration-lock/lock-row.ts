// knex's lock table as a guarded runner sees it: it writes 2 where a plain runner writes 1, so that the row tells whose it is.
import type { Knex } from 'knex';
import { means } from '../drivers/error-codes';
import { MigrationLockError } from '../words/errors';
import { lockTableOf, migrationTableOf, unprocessedCopy } from '../knex/migrator';
import type { LockConnection } from './lock-connection';
import { TableName } from './table-name';
import { pause, type Wait } from './wait';

/** How long a runner that has lost its lock may take to notice, and to stop. */
const STOP_MILLIS = 1000;

const FREE = 0;
const PLAIN = 1;
/** Locked for every runner, since all look for 0. No other code writes it. */
const GUARDED = 2;

interface Statement {
  sql: string;
  bindings: readonly unknown[];
}

export class LockRow {
  readonly table: TableName;
  /** What knex sends to take the row. */
  readonly #taking: Statement;
  readonly #reading: Statement;
  readonly #freeing: Statement;
  readonly #freeingAll: Statement;

  constructor(db: Knex, given: { tableName?: string; schemaName?: string }) {
    const { name, schema } = migrationTableOf(db);
    this.table = new TableName(given.tableName ?? name, given.schemaName ?? schema);
    // As the migrator does: on a copy without the user's naming of identifiers.
    const copy = unprocessedCopy(db);
    const rows = () => {
      const builder = copy(lockTableOf(this.table.name));
      return this.table.schema === undefined ? builder : builder.withSchema(this.table.schema);
    };
    this.#taking = rows().where('is_locked', '=', FREE).update({ is_locked: PLAIN }).toSQL().toNative();
    this.#reading = rows().select('is_locked').toSQL().toNative();
    this.#freeing = rows().where('is_locked', '=', GUARDED).update({ is_locked: FREE }).toSQL().toNative();
    this.#freeingAll = rows().update({ is_locked: FREE }).toSQL().toNative();
  }

  /**
   * From here on the migrators of `db` write 2. knex shows each statement in an event right before it sends it, and the
   * bindings that the event shows are the array that is sent.
   * @returns the undo
   */
  mark(db: Knex): () => void {
    let isOver = false;
    const marking = ({ sql, bindings }: { sql: string; bindings?: unknown[] }) => {
      if (isOver || sql !== this.#taking.sql || bindings?.length !== 2) return;
      if (bindings[0] === PLAIN && bindings[1] === FREE) bindings[0] = GUARDED;
    };
    db.on('query', marking);
    return () => {
      isOver = true; // copies made meanwhile keep their listener
      db.removeListener('query', marking);
    };
  }

  /**
   * Resolves when the row is free. The connection has the lock, so a guarded runner that holds the row is dead, or has lost its lock and
   * stops: it gets the time for that.
   */
  async wait(connection: LockConnection, wait: Wait, force: boolean): Promise<void> {
    for (;;) {
      const values = await this.#values(connection);
      if (values.every((value) => value === FREE)) return;
      if (values.includes(GUARDED)) {
        await pause(wait, STOP_MILLIS);
        await this.freeMarked(connection);
        continue;
      }
      if (wait.deadline.leftMillis === 0) break;
      await pause(wait);
    }
    if (!force) {
      throw new MigrationLockError(
        `the row in ${this.table.text}_lock was not free within ${wait.waitMillis} ms: a plain runner holds it (\`knex migrate\`, or db.migrate ` +
          'outside of withMigrationLock). If that runner is dead, free the row with `knex migrate:unlock` or force: true',
      );
    }
    await send(connection, this.#freeingAll);
  }

  /** Frees a row that a guarded runner has left locked. One that looks free may still be locked by a transaction, and is left alone. */
  async freeMarked(connection: LockConnection): Promise<void> {
    if (!(await this.#values(connection)).includes(GUARDED)) return;
    await send(connection, this.#freeing).catch(unlessNoTable);
  }

  async #values(connection: LockConnection): Promise<number[]> {
    const rows = (await send(connection, this.#reading).catch(unlessNoTable)) ?? [];
    return rows.map((row) => Number(row.is_locked));
  }
}

function send(connection: LockConnection, { sql, bindings }: Statement) {
  return connection.ask(sql, bindings);
}

function unlessNoTable(error: unknown): undefined {
  if (!means(error, 'noTable')) throw error;
}
