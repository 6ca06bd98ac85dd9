// The tables of a PostgreSQL database for emptyTables(): one query reads them all, a cheap one tells which hold rows by now.
import type { Ask, EmptyRequest } from '../table-emptier';
import { refuseMissing, refuseMissingSchemas } from '../table-emptier';

/** A trigger or rule that would fire at DELETE. */
export interface PgTrigger {
  kind: 'TRIGGER' | 'RULE';
  name: string;
  /** When it fires: `O` in origin mode, `A` always. */
  mode: 'O' | 'A';
}

export interface PgTable {
  schema: string;
  name: string;
  /** As users name it; of a partition, the partitioned table. */
  label: string;
  owner: string;
  /** Whether we may do what its owner may. */
  isOwned: boolean;
  /** Row-level security may hide rows from us. */
  isHidden: boolean;
  triggers: PgTrigger[];
  sequences: { schema: string; name: string; start: string }[];
  holdsRows: boolean;
}

/** A foreign key of a table that stays. */
export interface PgReference {
  constraint: string;
  /** The table that stays. */
  from: { schema: string; name: string };
  /** Its name for people. */
  label: string;
  columns: string[];
  to: number;
  isUsed: boolean;
}

export interface PgTables {
  tables: PgTable[];
  /** `to` is an index of `tables`. */
  references: PgReference[];
  fingerprint: string;
}

// The SQL has no question mark: knex takes it for a binding, also behind a backslash.
export function quoteName(name: string): string {
  const quoted = name.replaceAll('"', '""');
  return name.includes('?') ? `U&"${quoted.replaceAll('\\', '\\\\').replaceAll('?', '\\003F')}"` : `"${quoted}"`;
}
export function quoteText(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return /[\\?]/.test(text) ? ` E'${quoted.replaceAll('\\', '\\\\').replaceAll('?', '\\077')}'` : `'${quoted}'`;
}
export const tableName = ({ schema, name }: { schema: string; name: string }) =>
  `${quoteName(schema)}.${quoteName(name)}`;
/** As text that PostgreSQL takes for a table or sequence. */
export function regclass({ schema, name }: { schema: string; name: string }): string {
  return quoteText([schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.'));
}
export const quoteTexts = (names: readonly string[]) =>
  `array[${names.map((name) => quoteText(name)).join(', ')}]::text[]`;

/**
 * Of a relation, as a number that is cheap to make and another one for another name, schema, owner or flag of the same relation. Without
 * its file, which TRUNCATE replaces.
 */
const RELATION = `(hashname(relname)::bigint + relnamespace::bigint * 31 + relowner::bigint * 961 + ${[
  'relispartition',
  'relhasrules',
  'relhastriggers',
  'relrowsecurity',
  'relforcerowsecurity',
]
  .map((flag, i) => `${flag}::int * ${1 << i}`)
  .join(' + ')}) * (oid::bigint % 1000003 + 1)`;

/**
 * Changes with every change of a table, trigger, rule or sequence, and of the search path. A foreign key comes with triggers, and whatever
 * ALTER SEQUENCE changes it writes the sequence's row. User objects have ids from 16384 on.
 */
export const FINGERPRINT = `concat_ws(' ', current_user, current_schemas(false), ${[
  ['pg_class', RELATION, "oid >= 16384 and relkind in ('r', 'p', 'f', 'v', 'm', 'S')"],
  ['pg_trigger', 'xmin::text::bigint', 'oid >= 16384'],
  ['pg_rewrite', 'xmin::text::bigint', 'oid >= 16384'],
  ['pg_sequence', 'xmin::text::bigint', 'seqrelid >= 16384'],
]
  .map(([catalog, what, where]) => `(select count(*) || ':' || sum(${what}) from ${catalog} where ${where})`)
  .join(', ')})`;

/** Of a table whose name is only known to the query that asks. */
const holdsRows = (schema: string, name: string, condition: string) =>
  `query_to_xml(format('select from only %I.%I where %s limit 1', ${schema}, ${name}, ${condition}), false, true, '')::text <> ''`;

const TRIGGERS = `select coalesce(json_agg(t order by t.name), '[]') from (
  select 'TRIGGER' as kind, tgname as name, tgenabled as mode from pg_trigger join pg_proc p on p.oid = tgfoid
  where tgrelid = c.oid and tgtype & 8 > 0 and tgenabled in ('O', 'A') and p.proname not like 'RI\\_FKey\\_%'
  union all
  select 'RULE', rulename, ev_enabled from pg_rewrite where ev_class = c.oid and ev_type = '4' and ev_enabled in ('O', 'A')
) t`;

const SEQUENCES = `select coalesce(json_agg(json_build_object('schema', sn.nspname, 'name', sc.relname, 'start', s.seqstart::text)), '[]')
  from pg_depend d join pg_sequence s on s.seqrelid = d.objid
  join pg_class sc on sc.oid = s.seqrelid join pg_namespace sn on sn.oid = sc.relnamespace
  where d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.refobjid = c.oid and d.deptype in ('a', 'i')`;

// A table whose rows are hidden from us counts as filled once it has held any.
const TABLES = `select coalesce(json_agg(json_build_object(
    'schema', nspname, 'name', relname,
    'label', case when relispartition then (select label from relations r where r.oid = pg_partition_root(c.oid)) else label end,
    'owner', pg_get_userbyid(relowner), 'isOwned', pg_has_role(relowner, 'USAGE'), 'isHidden', row_security_active(c.oid),
    'triggers', (${TRIGGERS}),
    'sequences', (${SEQUENCES}),
    'holdsRows', case when row_security_active(c.oid) then pg_relation_size(c.oid) > 0 else ${holdsRows('nspname', 'relname', "'true'")} end
  ) order by index), '[]') from candidates c`;

const REFERENCES = `select coalesce(json_agg(json_build_object(
    'constraint', conname, 'from', json_build_object('schema', r.nspname, 'name', r.relname), 'label', r.label, 'to', c.index,
    'columns', keys.names, 'isUsed', ${holdsRows('r.nspname', 'r.relname', 'keys.used')}
  )), '[]') from pg_constraint f join candidates c on c.oid = f.confrelid join relations r on r.oid = f.conrelid and r.relkind = 'r'
    cross join lateral (select json_agg(attname) as names, string_agg(format('%I is not null', attname), ' and ') as used
      from pg_attribute where attrelid = f.conrelid and attnum = any(f.conkey)) keys
    where f.contype = 'f' and f.conrelid not in (select oid from candidates)`;

const isNamed = (name: string) =>
  `(c.label = ${name} or n.nspname || '.' || c.relname = ${name} or c.relname = ${name} and n.nspname = any(e.schemas))`;

function layoutQuery({ except, migrations, schemas }: EmptyRequest): string {
  const kept = [
    isNamed('any(e.names)'),
    ...migrations.map(({ schema, name }) => {
      const named = `c.relname = ${quoteText(name)}`;
      return schema === undefined ? named : `${named} and n.nspname = ${quoteText(schema)}`;
    }),
  ];
  return `
with e as materialized (
  select ${quoteTexts(except)} as names, ${schemas ? quoteTexts(schemas) : 'current_schemas(false)::text[]'} as schemas
), relations as materialized (
  select c.*, n.nspname, ${kept.join(' or ')} as kept
  from (select c.*, case when pg_table_is_visible(c.oid) then c.relname::text
      else (select nspname from pg_namespace where oid = c.relnamespace) || '.' || c.relname end as label
    from pg_class c where c.relkind in ('r', 'p', 'f', 'v', 'm')) c
  join pg_namespace n on n.oid = c.relnamespace cross join e
), candidates as materialized (
  select c.*, row_number() over (order by nspname, relname) - 1 as index from relations c, e
  where relkind = 'r' and oid >= 16384 and nspname = any(e.schemas) and not kept
    and not (relispartition and exists (select from pg_partition_ancestors(c.oid) a join relations r on r.oid = a.relid where r.kept))
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
)
select json_build_object(
  'fingerprint', ${FINGERPRINT},
  'missing', (select coalesce(json_agg(name), '[]') from e, unnest(e.names) name
    where not exists (select from relations c join pg_namespace n on n.oid = c.relnamespace where ${isNamed('name')})),
  'missingSchemas', (select coalesce(json_agg(name), '[]') from e, unnest(e.schemas) name
    where not exists (select from pg_namespace where nspname = name)),
  'tables', (${TABLES}),
  'references', (${REFERENCES})
)::text as tables`;
}

/** Reads everything. @throws for names in the request without a table */
export async function readTables(ask: Ask, request: EmptyRequest): Promise<PgTables> {
  const [row] = (await ask(layoutQuery(request))) as { tables: string }[];
  const { missing, missingSchemas, ...tables } = JSON.parse(row?.tables ?? '') as PgTables & Missing;
  refuseMissingSchemas(missingSchemas);
  refuseMissing(missing);
  return tables;
}

interface Missing {
  missing: string[];
  missingSchemas: string[];
}
