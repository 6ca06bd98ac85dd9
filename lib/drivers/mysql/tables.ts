// The tables of a MySQL or MariaDB database for emptyTables(), read in one query.
import { quoted } from '../../words/describe';
import type { Ask, EmptyRequest } from '../table-emptier';
import { refuseMissing, refuseMissingSchemas } from '../table-emptier';

export interface Table {
  schema: string;
  name: string;
  label: string;
  /** The statements that empty it with a new counter and fire no trigger. */
  emptying: string[];
}

/** A foreign key of a table that stays. */
export interface Reference {
  constraint: string;
  label: string;
  to: Table;
  condition: string;
}

interface Row {
  kind: 'table' | 'schema' | 'trigger' | 'reference';
  home: string | null;
  schema: string;
  name: string;
  detail: string;
  target_schema: string;
  target: string;
}

const quoteName = (name: string) => `\`${name.replaceAll('`', '``')}\``;
export const tableName = ({ schema, name }: { schema: string; name: string }) =>
  `${quoteName(schema)}.${quoteName(name)}`;
/** Works in every SQL mode, whatever a backslash means in it. */
const quoteText = (text: string) => (text === '' ? "''" : `_utf8mb4 x'${Buffer.from(text).toString('hex')}'`);
const anyOf = (names: readonly string[]) => (names.length > 0 ? `(${names.map(quoteText).join(', ')})` : "('')");

function layoutQuery({ schemas, except }: EmptyRequest): string {
  const where = (column: string) => (schemas ? `${column} in ${anyOf(schemas)}` : `${column} = database()`);
  return `
    select 'schema' as kind, database() as home, schema_name as \`schema\`, '' as name, '' as detail, '' as target_schema, '' as target
      from information_schema.schemata where ${where('schema_name')}
    union all select 'table', database(), table_schema, table_name,
        if(table_type = 'BASE TABLE' and auto_increment is not null, 'COUNTED', table_type), '', ''
      from information_schema.tables where ${where('table_schema')} or concat(table_schema, '.', table_name) in ${anyOf(except)}
    union all select 'trigger', '', event_object_schema, event_object_table, trigger_name, '', ''
      from information_schema.triggers where ${where('event_object_schema')} and event_manipulation = 'DELETE'
    union all select 'reference', constraint_name, table_schema, table_name, column_name, referenced_table_schema, referenced_table_name
      from information_schema.key_column_usage where ${where('referenced_table_schema')}`;
}

/** The server's own. */
const SYSTEM = new Set(['mysql', 'sys', 'information_schema', 'performance_schema']);

/** The tables to empty, and the foreign keys to them from tables that stay. @throws for names in the request without a table */
export async function readTables(
  ask: Ask,
  request: EmptyRequest,
): Promise<{ tables: Table[]; references: Reference[] }> {
  const [rows] = (await ask(layoutQuery(request))) as [Row[]];
  const schemas = rows.filter(({ kind, schema }) => kind === 'schema' && !SYSTEM.has(schema));
  refuseMissingSchemas((request.schemas ?? []).filter((name) => !schemas.some(({ schema }) => schema === name)));
  const all = rows.filter(({ kind }) => kind === 'table');
  const names = ({ schema, name }: Row) => [
    `${schema}.${name}`,
    ...(schemas.some((each) => each.schema === schema) ? [name] : []),
  ];
  refuseMissing(request.except.filter((name) => !all.some((row) => names(row).includes(name))));
  const stays = (row: Row) =>
    names(row).some((name) => request.except.includes(name)) ||
    request.migrations.some(({ schema, name }) => row.name === name && (schema === undefined || schema === row.schema));
  const kinds = ['BASE TABLE', 'COUNTED', 'SYSTEM VERSIONED'];
  const tables = all.filter(
    (row) => kinds.includes(row.detail) && schemas.some(({ schema }) => schema === row.schema) && !stays(row),
  );
  const triggered = new Set(rows.filter(({ kind }) => kind === 'trigger').map(tableName));
  const made = tables
    .map((row) => makeTable(row, triggered.has(tableName(row))))
    .toSorted((a, b) => (tableName(a) < tableName(b) ? -1 : 1));
  return { tables: made, references: readReferences(rows, made) };
}

const labelOf = ({ home, schema, name }: Pick<Row, 'home' | 'schema' | 'name'>) =>
  home === schema ? name : `${schema}.${name}`;

/** TRUNCATE fires no trigger and begins the counter anew, but takes longer than DELETE, and old versions of rows would stop it. */
function makeTable(row: Row, hasTrigger: boolean): Table {
  const { schema, name, detail } = row;
  const own = tableName(row);
  const isVersioned = detail === 'SYSTEM VERSIONED';
  if (isVersioned && hasTrigger) {
    throw new Error(
      `emptyTables: ${quoted(name)} is system-versioned and has a DELETE trigger, which would fire: keep the table (except)`,
    );
  }
  const truncate = detail === 'COUNTED' || hasTrigger;
  const emptying = isVersioned
    ? [`delete from ${own}`, `delete history from ${own}`]
    : [`${truncate ? 'truncate table' : 'delete from'} ${own}`];
  return { schema, name, label: labelOf(row), emptying };
}

function readReferences(rows: Row[], tables: Table[]): Reference[] {
  const references = new Map<string, { row: Row; to: Table; columns: string[] }>();
  const emptied = new Map(tables.map((table) => [tableName(table), table]));
  for (const row of rows.filter(({ kind }) => kind === 'reference')) {
    const to = emptied.get(tableName({ schema: row.target_schema, name: row.target }));
    if (!to || emptied.has(tableName(row))) continue;
    const key = JSON.stringify([row.schema, row.name, row.home]);
    const reference = references.get(key) ?? { row, to, columns: [] };
    references.set(key, reference);
    reference.columns.push(`${quoteName(row.detail)} is not null`);
  }
  return [...references.values()].map(({ row, to, columns }) => ({
    constraint: row.home ?? '',
    label: to.schema === row.schema ? row.name : `${row.schema}.${row.name}`,
    to,
    condition: `(exists (select 1 from ${tableName(row)} where ${columns.join(' and ')}) and exists (select 1 from ${tableName(to)}))`,
  }));
}
