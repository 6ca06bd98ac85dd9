// Which of the tables that emptyTables() knows hold rows by now: one cheap query, which also tells whether they are still the same tables.
import { createHash } from 'node:crypto';
import { means } from '../error-codes';
import { FINGERPRINT, type PgTables, quoteName, regclass, tableName } from './tables';
import type { Ask, EmptyRequest } from '../table-emptier';

/** What the settings are. */
export interface Session {
  lock_timeout: string;
  row_security: string;
}

export const SESSION = `current_setting('lock_timeout') as lock_timeout, current_setting('row_security') as row_security`;

/** The tables that a query has found, and the query that asks of them again. */
export interface KnownTables {
  tables: PgTables;
  sql: string;
  /** Of its prepared statement: another one for another text. */
  name: string;
}

export function remember(tables: PgTables): KnownTables {
  const answers = `array[${questions(tables).join(', ')}]::boolean[]::text as answers`;
  const sql = `select ${SESSION}, ${FINGERPRINT} as fingerprint, ${answers}`;
  return { tables, sql, name: `knex-reset ${createHash('sha256').update(sql).digest('hex').slice(0, 16)}` };
}

/** Reads anew which of the known tables hold rows, and nothing else. Undefined: they are not the same tables any more. */
export async function rereadTables(
  ask: Ask,
  { tables: known, sql, name }: KnownTables,
  { lockMillis: timeoutMillis }: EmptyRequest,
): Promise<{ tables: PgTables; session: Session } | undefined> {
  const { tables, references, fingerprint } = known;
  let row: (Session & { fingerprint: string; answers: string }) | undefined;
  try {
    [row] = ((await ask(sql, { name, timeoutMillis })) as { rows: (typeof row)[] }).rows;
  } catch (error) {
    // It was prepared for other tables, or on another connection.
    if (means(error, 'outdated')) return undefined;
    throw error;
  }
  if (row?.fingerprint !== fingerprint) return undefined;
  const answers = row.answers
    .slice(1, -1)
    .split(',')
    .map((answer) => answer === 't');
  const now = {
    fingerprint,
    tables: tables.map((table, i) => ({ ...table, holdsRows: answers[i] === true })),
    references: references.map((each, i) => ({ ...each, isUsed: answers[tables.length + i] === true })),
  };
  return { tables: now, session: row };
}

function questions({ tables, references }: PgTables): string[] {
  return [
    ...tables.map((table) =>
      table.isHidden ? `pg_relation_size(${regclass(table)}) > 0` : `exists (select from only ${tableName(table)})`,
    ),
    ...references.map(({ from, columns }) => {
      const used = columns.map((column) => `${quoteName(column)} is not null`).join(' and ');
      return `exists (select from only ${tableName(from)} where ${used})`;
    }),
  ];
}
