// The check of deferred constraints that COMMIT makes, for a transaction that goes on afterwards as a new one.

/** Sends SQL. Resolves with the results of its statements. */
type Send = (sql: string) => Promise<unknown>;

interface Names {
  /** Those that can be deferred. */
  deferrable: string | null;
  /** Of them those that a new transaction defers. */
  deferred: string | null;
  /** Some cannot be named: a constraint of the same name in the same schema cannot be deferred, or the schema is closed to this role. */
  unnamed: boolean;
}

/** Most databases have none, and the names take ten times as long. */
const ANY = 'SELECT FROM pg_constraint WHERE condeferrable LIMIT 1';

const NAMES = `
SELECT string_agg(name, ', ') FILTER (WHERE named) AS deferrable,
  string_agg(name, ', ') FILTER (WHERE named AND condeferred) AS deferred,
  coalesce(bool_or(NOT named), false) AS unnamed
FROM (
  SELECT DISTINCT format('%I.%I', nspname, conname) AS name, condeferred,
    has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
      SELECT FROM pg_constraint o
      WHERE o.conname = c.conname AND o.connamespace = c.connamespace AND NOT o.condeferrable
    ) AS named
  FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
  WHERE condeferrable AND NOT pg_is_other_temp_schema(n.oid)
) c`;

/**
 * Constraints are named one by one: after ALL the setting would hold for those too that are created later.
 * @throws the database's error for a violated one
 */
export async function checkConstraints(send: Send): Promise<void> {
  const any = (await send(ANY)) as { rows: unknown[] };
  if (any.rows.length === 0) return;
  const { rows } = (await send(NAMES)) as { rows: [Names] };
  const [{ deferrable, deferred, unnamed }] = rows;
  if (deferrable === null && !unnamed) return;
  const restored = deferred === null ? '' : `; SET CONSTRAINTS ${deferred} DEFERRED`;
  await send(`SET CONSTRAINTS ${unnamed ? 'ALL' : deferrable} IMMEDIATE${restored}`);
}
