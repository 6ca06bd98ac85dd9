// emptyTables() on SQLite: one transaction, in which foreign keys are not checked and triggers are dropped and made again.
import type { Ask, EmptyRequest, TableEmptier } from '../table-emptier';
import { inTransaction } from './write-transaction';
import { refuseMissing, refuseMissingSchemas, refuseReference } from '../table-emptier';

interface Table {
  schema: string;
  name: string;
  type: 'table' | 'view' | 'virtual' | 'shadow';
  sql: string | null;
}

interface Reference {
  target: string;
  /** Of the foreign key in its table. */
  id: number;
  column: string;
}

interface Trigger {
  schema: string;
  name: string;
  table: string;
  sql: string;
}

const quoteName = (name: string) => `"${name.replaceAll('"', '""')}"`;
const quoteText = (text: string) => `'${text.replaceAll("'", "''")}'`;
const tableName = ({ schema, name }: { schema: string; name: string }) => `${quoteName(schema)}.${quoteName(name)}`;
const labelOf = ({ schema, name }: { schema: string; name: string }) =>
  schema === 'main' ? name : `${schema}.${name}`;
/** SQLite compares names without regard to the case of ASCII letters. */
const folded = (name: string) => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const isSameName = (a: string, b: string) => folded(a) === folded(b);
/** The same for two names of one table. */
const keyOf = ({ schema, name }: { schema: string; name: string }) => folded(tableName({ schema, name }));

async function empty(ask: Ask, request: EmptyRequest): Promise<string[]> {
  const [checks] = (await ask('pragma foreign_keys')) as { foreign_keys: number }[];
  // Without effect in a transaction of the caller's: there they are checked when all is deleted, children first.
  await ask('pragma foreign_keys = off');
  try {
    return await inTransaction(ask, request, async () => {
      await ask('pragma defer_foreign_keys = on');
      return emptyInside(ask, request);
    });
  } finally {
    if (checks?.foreign_keys) await ask('pragma foreign_keys = on');
  }
}

async function emptyInside(ask: Ask, request: EmptyRequest): Promise<string[]> {
  const schemas = request.schemas ?? ['main'];
  const databases = (await ask('pragma database_list')) as { name: string }[];
  refuseMissingSchemas(schemas.filter((schema) => !databases.some(({ name }) => isSameName(name, schema))));
  const all: Table[] = [];
  const triggers: Trigger[] = [];
  for (const schema of schemas) {
    const master = `${quoteName(schema)}.sqlite_master`;
    all.push(
      ...((await ask(`select l.schema, l.name, l.type, m.sql from pragma_table_list l left join ${master} m on m.name = l.name and m.type = 'table'
        where l.schema = ${quoteText(schema)} and l.name not like 'sqlite\\_%' escape '\\' order by l.name`)) as Table[]),
    );
    triggers.push(
      ...((await ask(
        `select ${quoteText(schema)} as "schema", name, tbl_name as "table", sql from ${master} where type = 'trigger' order by rowid`,
      )) as Trigger[]),
    );
  }
  const { candidates, staying } = choose(all, request);
  const filled: Table[] = [];
  for (const table of candidates) if (await holdsRows(ask, tableName(table))) filled.push(table);
  if (filled.length === 0) return [];
  const emptied = new Map(filled.map((table) => [keyOf(table), table]));
  for (const table of staying) await checkReferences(ask, table, emptied);
  const affected = triggers.filter(({ schema, table }) => emptied.has(keyOf({ schema, name: table })));
  for (const trigger of affected) await ask(`drop trigger ${tableName(trigger)}`);
  for (const table of childrenFirst(filled, await readChildren(ask, emptied))) await ask(emptying(table));
  for (const schema of schemas) await restart(ask, schema, filled);
  for (const { schema, sql } of affected) {
    await ask(sql.replace(/^CREATE TRIGGER /, () => `CREATE TRIGGER ${quoteName(schema)}.`));
  }
  return filled.map(labelOf).toSorted();
}

/** Full-text and spatial indexes are tables as well, kept in shadow tables that are theirs alone. Other modules may keep anything. */
function choose(all: Table[], { except, migrations }: EmptyRequest): { candidates: Table[]; staying: Table[] } {
  const isNamed = ({ schema, name }: Table, given: string) =>
    isSameName(name, given) || isSameName(`${schema}.${name}`, given);
  refuseMissing(except.filter((given) => !all.some((table) => isNamed(table, given))));
  const stays = (table: Table) =>
    except.some((given) => isNamed(table, given)) ||
    migrations.some(
      ({ schema, name }) => isSameName(table.name, name) && isSameName(table.schema, schema ?? table.schema),
    );
  const mayHold = all.filter(
    ({ type, sql }) => type === 'table' || (type === 'virtual' && /\busing\s+(fts[345]|rtree)\b/i.test(sql ?? '')),
  );
  return { candidates: mayHold.filter((table) => !stays(table)), staying: mayHold.filter((table) => stays(table)) };
}

async function holdsRows(ask: Ask, from: string): Promise<boolean> {
  const [row] = (await ask(`select exists (select 1 from ${from}) as found`)) as { found: number }[];
  // A bigint, where the user has asked for them.
  return Boolean(row?.found);
}

async function readReferences(ask: Ask, { schema, name }: Table): Promise<Reference[]> {
  return (await ask(
    `select id, "table" as target, "from" as "column" from pragma_foreign_key_list(${quoteText(name)}, ${quoteText(schema)})`,
  )) as Reference[];
}

/** A table that stays refers to none that is emptied. */
async function checkReferences(ask: Ask, kept: Table, emptied: ReadonlyMap<string, Table>): Promise<void> {
  const own = await readReferences(ask, kept);
  for (const id of new Set(own.map((reference) => reference.id))) {
    const columns = own.filter((reference) => reference.id === id);
    const target = emptied.get(keyOf({ schema: kept.schema, name: columns[0]?.target ?? '' }));
    if (!target) continue;
    const used = columns.map(({ column }) => `${quoteName(column)} is not null`).join(' and ');
    const names = columns.map(({ column }) => column).join(', ');
    if (await holdsRows(ask, `${tableName(kept)} where ${used}`))
      refuseReference(labelOf(kept), names, labelOf(target));
  }
}

/** Those that refer to each table. */
type Children = ReadonlyMap<Table, ReadonlySet<Table>>;

async function readChildren(ask: Ask, emptied: ReadonlyMap<string, Table>): Promise<Children> {
  const children = new Map<Table, Set<Table>>();
  for (const child of emptied.values()) {
    for (const { target } of await readReferences(ask, child)) {
      const parent = emptied.get(keyOf({ schema: child.schema, name: target }));
      if (!parent) continue;
      const known = children.get(parent) ?? new Set();
      children.set(parent, known.add(child));
    }
  }
  return children;
}

/** Virtual tables before all, while the rows that they index are there. Circles in any order. */
function childrenFirst(tables: Table[], children: Children): Iterable<Table> {
  const sorted = new Set<Table>(tables.filter(({ type }) => type === 'virtual'));
  const met = new Set<Table>();
  const visit = (table: Table) => {
    if (sorted.has(table) || met.has(table)) return;
    met.add(table);
    for (const child of children.get(table) ?? []) visit(child);
    sorted.add(table);
  };
  for (const table of tables) visit(table);
  return sorted;
}

function emptying(table: Table): string {
  const isIndexOnly =
    table.type === 'virtual' && /\bfts5\b/i.test(table.sql ?? '') && /\bcontent\s*=/i.test(table.sql ?? '');
  if (!isIndexOnly) return `delete from ${tableName(table)}`;
  return `insert into ${tableName(table)} (${quoteName(table.name)}) values ('delete-all')`;
}

async function restart(ask: Ask, schema: string, filled: Table[]): Promise<void> {
  const has = await holdsRows(ask, `${quoteName(schema)}.sqlite_master where name = 'sqlite_sequence'`);
  if (!has) return;
  const names = filled.filter((table) => isSameName(table.schema, schema)).map(({ name }) => quoteText(name));
  await ask(`delete from ${quoteName(schema)}.sqlite_sequence where name in (${names.join(', ')})`);
}

export const sqliteTableEmptier: TableEmptier = {
  needsOneConnection: true,
  empty,
  holders: async () => [],
};
