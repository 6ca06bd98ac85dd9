// The functions and the one view of PostgreSQL's that are asked for, as an ordinary role sees them.
import type { Column } from '../wire/backend';
import type { Backend } from './backend';
import type { Item } from './command';
import { SqlError } from './sql-error';

const TEXT = 25;
const INT4 = 23;
const BOOL = 16;

export interface Context {
  backend: Backend;
  /** The row of pg_stat_activity that the expression is about. */
  row: Backend | undefined;
  /** What a literal or a parameter stands for. */
  value: (text: string) => string;
}

export type Value = string | null;
type Evaluate = (context: Context, match: RegExpExecArray) => Value | Promise<Value>;
const truth = (is: boolean): Value => (is ? 't' : 'f');
const ARGUMENT = `\\(\\s*'?([$\\w.]+)'?(?:::\\w+)*\\s*(?:,[^)]*)?\\)`;
const called = (name: string) => new RegExp(`^${name}${ARGUMENT}(?:::\\w+)*$`, 'i');

const functions: [RegExp, number, Evaluate][] = [
  [/^(\d+)$/, INT4, (_, [, digits]) => digits!],
  [/^(\$\d+)(?:::\w+)*$/, TEXT, ({ value }, [, parameter]) => value(parameter!)],
  [
    /^(\d+) ?\/ ?0$/,
    INT4,
    () => {
      throw new SqlError('22012', 'division by zero');
    },
  ],
  [/^version\(\)$/i, TEXT, () => 'PostgreSQL 18.0 (simulated)'],
  [/^pg_backend_pid\(\)$/i, INT4, ({ backend }) => String(backend.pid)],
  [/^pid$/i, INT4, ({ row }) => (row ? String(row.pid) : null)],
  [
    called('pg_sleep'),
    TEXT,
    async ({ backend, value }, [, seconds]) => {
      await backend.pause(Number(value(seconds!)) * 1000);
      return '';
    },
  ],
  [
    called('pg_terminate_backend'),
    BOOL,
    ({ backend, row, value }, [, pid]) =>
      truth(backend.server.terminate(pid === 'pid' ? row!.pid : Number(value(pid!)))),
  ],
  [
    called('pg_cancel_backend'),
    BOOL,
    ({ backend, row, value }, [, pid]) => truth(backend.server.cancel(pid === 'pid' ? row!.pid : Number(value(pid!)))),
  ],
  [
    /^(?:pg_current_xact_id|txid_current)_if_assigned\(\)(?:::\w+)*$/i,
    TEXT,
    ({ backend }) => backend.transaction?.xid?.toString() ?? null,
  ],
  [
    /^(?:pg_current_xact_id|txid_current)\(\)(?:::\w+)*$/i,
    TEXT,
    ({ backend }) => String(backend.server.database.assignXid(backend.transaction!)),
  ],
  [
    called('pg_xact_status'),
    TEXT,
    ({ backend, value }, [, xid]) => backend.server.database.fates.get(Number(value(xid!)))?.fate ?? null,
  ],
  [
    /^\(case when pg_is_in_recovery\(\) then null else pg_current_xact_id\(\) end\)::text$/i,
    TEXT,
    ({ backend: { server, transaction } }) =>
      server.isStandby ? null : String(server.database.assignXid(transaction!)),
  ],
  // The server's statistics begin anew with a crash.
  [
    /pg_stat_get_bgwriter_stat_reset_time\(\)/i,
    TEXT,
    ({ backend }) => `start ${backend.server.starts}, run ${backend.server.runs}`,
  ],
  // There are no deferrable constraints.
  [/^string_agg\(name/i, TEXT, () => null],
  [/^coalesce\(bool_or/i, BOOL, () => 'f'],
  // What belongs to other roles is null, and what is joined to null is null.
  [/backend_type\b/i, TEXT, () => null],
  [/^pg_postmaster_start_time\(\)(?:::\w+)*$/i, TEXT, ({ backend }) => `start ${backend.server.starts}`],
  [/^current_setting\('transaction_read_only'\)$/i, TEXT, ({ backend }) => (backend.server.isStandby ? 'on' : 'off')],
  [/^pg_is_in_recovery\(\)$/i, BOOL, ({ backend }) => truth(backend.server.isStandby)],
];

/** @throws Error where the simulation does not know the expression */
function functionOf({ expression }: Item): [Evaluate, RegExpExecArray, number] {
  for (const [form, type, evaluate] of functions) {
    const match = form.exec(expression.replace(/^pg_catalog\./, ''));
    if (match) return [evaluate, match, type];
  }
  throw new SqlError('42883', `not simulated: ${expression}`);
}

export function columnsOf(items: Item[]): Column[] {
  return items.map((item) => ({ name: item.name, type: functionOf(item)[2] }));
}

export async function evaluate(items: Item[], context: Context): Promise<Value[]> {
  const row: Value[] = [];
  for (const item of items) {
    const [evaluateItem, match] = functionOf(item);
    row.push(await evaluateItem(context, match));
  }
  return row;
}

/** The backends that a condition on pg_stat_activity names. */
export function activity(condition: string, context: Context): Backend[] {
  const all = [...context.backend.server.backends.values()];
  const named = [...condition.matchAll(NAMED)];
  if (named.length === 0) return all;
  const isIdleOnly = /\band state like 'idle/i.test(condition);
  const sparesCommit = /\band not \(state = 'active' and query ilike 'commit%'\)/i.test(condition);
  const { now } = context.backend.server.clock;
  const isNamed = (backend: Backend) =>
    named.some(([, column, text, ageMillis = '0']) => {
      const wanted = Number(context.value(text!));
      if (backend.startedAt > now - Number(ageMillis)) return false;
      return (column === 'pid' ? backend.pid : backend.transaction?.xid) === wanted;
    });
  return all.filter(isNamed).filter((backend) => !((isIdleOnly || sparesCommit) && backend.isActive));
}

/** A process or a transaction, and the age that it has at least. */
const NAMED = /\b(pid|backend_xid) = '?([$\w]+)'?(?: and backend_start < now\(\) - interval '(\d+) milliseconds')?/gi;
