// emptyTables() on MySQL and MariaDB: TRUNCATE where a trigger or a counter asks for it, DELETE elsewhere, with the checks of foreign keys off.
import { PLAIN_ROWS } from './plain-rows';
import { readTables, tableName } from './tables';
import type { Ask, EmptyRequest, LockHolder, TableEmptier } from '../table-emptier';
import { refuseReference } from '../table-emptier';
import { shown } from '../../words/describe';

const SETTINGS = ['foreign_key_checks', 'lock_wait_timeout', 'innodb_lock_wait_timeout'];
const SIGNAL = 'knex-reset reference ';

async function empty(ask: Ask, request: EmptyRequest, memory: { layout?: unknown }): Promise<string[]> {
  memory.layout ??= (await ask('select version() as version')) as [{ version: string }[]];
  const [[server]] = memory.layout as [{ version: string }[]];
  const seconds = Math.max(1, Math.ceil(request.lockMillis / 1000));
  const set = `set session foreign_key_checks = 0, lock_wait_timeout = ${seconds}, innodb_lock_wait_timeout = ${seconds}`;
  const script = { set, request };
  return /mariadb/i.test(server?.version ?? '') ? inOneScript(ask, script) : oneByOne(ask, script);
}

interface Work {
  set: string;
  request: EmptyRequest;
}

/** MariaDB runs a compound statement without the option for multiple statements. */
async function inOneScript(ask: Ask, { set, request }: Work): Promise<string[]> {
  const { tables, references } = await readTables(ask, request);
  if (tables.length === 0) return [];
  const restore = `set session ${SETTINGS.map((name, i) => `${name} = old_${i}`).join(', ')};`;
  const checks = references.map(
    ({ condition }, i) => `if ${condition} then signal sqlstate '45000' set message_text = '${SIGNAL}${i};'; end if;`,
  );
  const emptying = tables.map(
    (table, i) =>
      `if exists (select 1 from ${tableName(table)}) then ${table.emptying.join('; ')}; set emptied = concat(emptied, ' ${i}'); end if;`,
  );
  const script = `begin not atomic
    declare emptied longtext default '';
    ${SETTINGS.map((name, i) => `declare old_${i} bigint default @@session.${name};`).join(' ')}
    declare exit handler for sqlexception begin rollback; ${restore} resignal; end;
    ${set};
    ${[...checks, ...emptying].join('\n')}
    commit;
    ${restore}
    select emptied;
  end`;
  try {
    const emptied = findRow<{ emptied: string }>(await ask(script), 'emptied')?.emptied ?? '';
    return emptied
      .split(' ')
      .filter(Boolean)
      .map((i) => tables[Number(i)]?.label ?? '');
  } catch (error) {
    const signalled = references[Number(new RegExp(`${SIGNAL}(\\d+);$`).exec((error as Error).message)?.[1])];
    if (signalled) refuseReference(signalled.label, signalled.constraint, signalled.to.label);
    throw error;
  }
}

async function oneByOne(ask: Ask, { set, request }: Work): Promise<string[]> {
  await ask(`set ${SETTINGS.map((name) => `@knex_reset_${name} = @@session.${name}`).join(', ')}`);
  try {
    await ask(set);
    const { tables, references } = await readTables(ask, request);
    if (tables.length === 0) return [];
    const questions = [
      ...tables.map((table) => `exists (select 1 from ${tableName(table)})`),
      ...references.map(({ condition }) => condition),
    ];
    const answers =
      findRow<{ answers: string }>(
        await ask(`select cast(concat_ws(',', ${questions.join(', ')}) as char) as answers`),
        'answers',
      )?.answers.split(',') ?? [];
    const used = references.find((_, i) => answers[tables.length + i] === '1');
    if (used) refuseReference(used.label, used.constraint, used.to.label);
    const filled = tables.filter((_, i) => answers[i] === '1');
    for (const sql of filled.flatMap(({ emptying }) => emptying)) await ask(sql);
    return filled.map(({ label }) => label);
  } finally {
    await ask(`set session ${SETTINGS.map((name) => `${name} = @knex_reset_${name}`).join(', ')}`);
  }
}

/** Of the answer to a script, which has several results. */
function findRow<T>(answer: unknown, key: string): T | undefined {
  if (!Array.isArray(answer))
    return typeof answer === 'object' && answer !== null && key in answer ? (answer as T) : undefined;
  for (const each of answer) {
    const found = findRow<T>(each, key);
    if (found) return found;
  }
  return undefined;
}

/** The sessions of this user, or all if it may see them. The server does not tell an ordinary user which session has which lock. */
async function holders(ask: Ask): Promise<LockHolder[]> {
  const [rows] =
    (await ask(`select id, concat_ws(', ', concat('user ', user), concat('from ', host), concat(command, ' for ', time, ' s')) as who,
      left(info, 400) as info
    from information_schema.processlist where id <> connection_id() and db = database() order by time desc`)) as [
      { id: number; who: string; info: string | null }[],
    ];
  return rows.map(({ id, who, info }) => {
    const sql = info === null ? '' : `, SQL: ${beforeValues(info)}`;
    return { backendId: Number(id), text: `connection ${id} (${who}${sql}) may have it` };
  });
}

/** Drivers of MySQL write the bindings into the SQL, so nothing is shown from the first value on. A digit in a name is none. */
function beforeValues(sql: string): string {
  const [names = ''] = /^(?:`[^`]*`|[^'"`\d]|(?<=[\w$])\d)*/.exec(sql) ?? [];
  return shown(names.length < sql.length ? `${names}…` : names);
}

export const mysqlTableEmptier: TableEmptier = {
  plainRows: PLAIN_ROWS,
  needsOneConnection: true,
  // TRUNCATE does, and only TRUNCATE starts a counter anew and fires no trigger.
  commits: true,
  empty,
  holders,
};
