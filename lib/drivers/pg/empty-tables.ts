// emptyTables() on PostgreSQL: one statement deletes from all tables at once, so that foreign keys are checked when all rows are gone.
import { quoted } from '../../words/describe';
import type { Ask, EmptyRequest, LockHolder, TableEmptier } from '../table-emptier';
import { refuseReference } from '../table-emptier';
import { type KnownTables, remember, rereadTables, SESSION, type Session } from './filled-tables';
import {
  type PgTable,
  type PgTables,
  quoteName,
  quoteText,
  quoteTexts,
  readTables,
  regclass,
  tableName,
} from './tables';
import { PLAIN_ROWS } from './plain-rows';

/**
 * In force for one message to the server, or for the rest of the caller's transaction. With row_security off, a statement fails that
 * would skip rows in silence.
 */
const settingsFor = (lockMillis: number) =>
  `set local lock_timeout = ${Math.ceil(lockMillis)};\nset local row_security = off`;

async function empty(ask: Ask, request: EmptyRequest, memory: { layout?: unknown }): Promise<string[]> {
  const settings = settingsFor(request.lockMillis);
  const known = memory.layout as KnownTables | undefined;
  let found = known && (await rereadTables(ask, known, request));
  if (!found) {
    found = await look(ask, request, settings);
    memory.layout = remember(found.tables);
  }
  const { tables, references } = found.tables;
  for (const { isUsed, label, constraint, to } of references) {
    const emptied = tables[to];
    if (isUsed && emptied?.holdsRows) refuseReference(label, constraint, emptied.label);
  }
  const filled = tables.filter(({ holdsRows }) => holdsRows);
  const script = [
    ...(filled.length > 0 ? [settings, ...statements(filled, request.isInside)] : []),
    ...(request.isInside ? [restore(found.session)] : []),
  ];
  if (script.length > 0) await ask(script.join(';\n'));
  return [...new Set(filled.map(({ label }) => label))];
}

async function look(
  ask: Ask,
  request: EmptyRequest,
  settings: string,
): Promise<{ tables: PgTables; session: Session }> {
  let session: Session | undefined;
  const tables = await readTables(async (sql) => {
    const [before, , , found] = (await ask(`select ${SESSION};\n${settings};\n${sql}`)) as { rows: unknown[] }[];
    session = before?.rows[0] as Session;
    return found?.rows;
  }, request);
  return { tables, session: session as Session };
}

function statements(tables: PgTable[], isInside: boolean): string[] {
  const off = tables.flatMap((table) => switches(table, 'off'));
  const on = tables.flatMap((table) => switches(table, 'on'));
  const sequences = tables.flatMap((table) => table.sequences);
  return [
    // ALTER TABLE is refused while checks of the table are to come.
    ...(off.length > 0 ? ['set constraints all immediate'] : []),
    ...off,
    deleteFrom(tables),
    ...on,
    ...restart(sequences, isInside),
  ];
}

/** One statement, whose foreign keys are checked at its end: in whatever order or circle the tables refer to each other. */
function deleteFrom(tables: PgTable[]): string {
  const deletes = tables.map((table) => `delete from only ${tableName(table)}`);
  const last = deletes.pop() ?? '';
  return `${deletes.length > 0 ? `with ${deletes.map((sql, i) => `_${i} as (${sql})`).join(', ')} ` : ''}${last}`;
}

/** Keeps the table's triggers and rules from firing, and its row-level security from hiding rows, as only its owner may. */
function switches(table: PgTable, direction: 'off' | 'on'): string[] {
  const { triggers, isHidden, isOwned, label, owner } = table;
  if (triggers.length > 0 && !isOwned) {
    throw new Error(
      `emptyTables: only an owner of ${quoted(label)} can keep ${triggers.map(({ kind, name }) => `${kind.toLowerCase()} ${quoted(name)}`).join(', ')} ` +
        `from firing: connect as ${quoted(owner)}, or keep the table (except)`,
    );
  }
  const clauses = triggers.map(({ kind, name, mode }) => {
    const verb = direction === 'off' ? 'disable' : mode === 'A' ? 'enable always' : 'enable';
    return `${verb} ${kind.toLowerCase()} ${quoteName(name)}`;
  });
  if (isHidden && isOwned) clauses.push(`${direction === 'off' ? 'no force' : 'force'} row level security`);
  return clauses.length > 0 ? [`alter table only ${tableName(table)} ${clauses.join(', ')}`] : [];
}

/** setval() is many times faster, but a rollback of the caller's transaction would not undo it. */
function restart(sequences: PgTable['sequences'], isInside: boolean): string[] {
  if (sequences.length === 0) return [];
  if (isInside) return sequences.map((sequence) => `alter sequence ${tableName(sequence)} restart`);
  return [`select ${sequences.map((each) => `setval(${regclass(each)}, ${each.start}, false)`).join(', ')}`];
}

function restore({ lock_timeout: lock, row_security: security }: Session): string {
  return `select set_config('lock_timeout', ${quoteText(lock)}, true), set_config('row_security', '${security}', true)`;
}

/** The sessions that have more than the lock of a SELECT on one of the tables. */
async function holders(ask: Ask, { schemas }: EmptyRequest): Promise<LockHolder[]> {
  const where = schemas ? quoteTexts(schemas) : 'current_schemas(false)::text[]';
  const { rows } = (await ask(`
    select l.pid, string_agg(distinct format('%s on %s', l.mode, c.oid::regclass), ', ') as held, concat_ws(', ',
      case when max(a.application_name) <> '' then format('application "%s"', max(a.application_name)) end,
      'user ' || max(a.usename::text), 'from ' || host(max(a.client_addr)), max(a.state),
      'in a transaction since ' || to_char(max(a.xact_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      'last SQL: ' || left(max(a.query), 200)) as who
    from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
    left join pg_stat_activity a using (pid)
    where l.locktype = 'relation' and l.granted and l.mode <> 'AccessShareLock' and c.relkind in ('r', 'p') and n.nspname = any(${where})
      and l.database = (select oid from pg_database where datname = current_database()) and l.pid is distinct from pg_backend_pid()
    group by l.pid order by l.pid`)) as { rows: { pid: number | null; held: string; who: string }[] };
  return rows.map(({ pid, held, who }) => ({
    backendId: pid ?? undefined,
    text: pid === null ? `a prepared transaction has ${held}` : `backend ${pid} (${who}) has ${held}`,
  }));
}

export const pgTableEmptier: TableEmptier = {
  plainRows: PLAIN_ROWS,
  needsOneConnection: false,
  empty,
  holders,
};
