// Reads from the text of a statement what its answer does not show.

const FIRST_WORD = /^(?:\s|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(\w+)/;
const CONTROL = new Set(['COMMIT', 'ROLLBACK', 'END', 'ABORT', 'BEGIN', 'START', 'XA']);

function firstWord(sql: string): string {
  return (FIRST_WORD.exec(sql)?.[1] ?? '').toUpperCase();
}

const OF_ROWS = new Set(
  'SELECT INSERT UPDATE DELETE REPLACE WITH VALUES TABLE SET SHOW DO EXPLAIN DESCRIBE DESC SAVEPOINT RELEASE'.split(
    ' ',
  ),
);

/** Whether it leaves a transaction as it is, whatever becomes of it: a single statement about rows, settings or savepoints. */
export function isOfRows(sql: string): boolean {
  return OF_ROWS.has(firstWord(sql.replace(/^[\s(]+/, ''))) && !/;\s*\S|^\s*set\b.*\bautocommit\b/is.test(sql);
}

const COMMENT_OR_QUOTED = /--[^\n]*|\/\*[\s\S]*?\*\/|'[^']*'|"[^"]*"|`[^`]*`/g;

/** Its statements, without comments and what is quoted. */
function statementsOf(sql: string): string[] {
  return sql.replace(COMMENT_OR_QUOTED, ' ').split(';');
}

const ROLLBACK_TO = /^\s*rollback(\s+(work|transaction))?\s+to\b/i;

export function countOfRollbacksTo(sql: string): number {
  return statementsOf(sql).filter((statement) => ROLLBACK_TO.test(statement)).length;
}

const COMMITTING = new Set(['COMMIT', 'END']);

/** Whether a COMMIT is all that ends a transaction by its own words. */
export function isCommit(sql: string): boolean {
  const ends = statementsOf(sql).filter(
    (statement) => CONTROL.has(firstWord(statement)) && !ROLLBACK_TO.test(statement),
  );
  return ends.length > 0 && ends.every((statement) => COMMITTING.has(firstWord(statement)));
}

/** Whether a single statement ends or begins a transaction by its own words. */
export function isControl(sql: string): boolean {
  return CONTROL.has(firstWord(sql)) || /;\s*(commit|rollback|begin|start)\b/i.test(sql);
}

/** Whether it leaves its session with locks that no transaction's end frees, on MySQL. Undefined: as it was. */
export function locksSession(sql: string): boolean | undefined {
  const word = firstWord(sql);
  if (word === 'UNLOCK') return false;
  const takes = word === 'LOCK' || (word === 'FLUSH' && /\bwith\s+read\s+lock\b|\bfor\s+export\b/i.test(sql));
  return takes ? !/;\s*unlock\b/i.test(sql) : undefined;
}

/** Whether a single statement ends the transaction that it is in and begins another, on MySQL. */
export function isRestart(sql: string): boolean {
  const word = firstWord(sql);
  if (word === 'COMMIT' || word === 'ROLLBACK') return /\band\s+chain\b/i.test(sql);
  // MariaDB has compound statements that begin with BEGIN, and MySQL has START REPLICA.
  return (
    (word === 'BEGIN' && /\bbegin(\s+work)?[\s;]*$/i.test(sql)) ||
    (word === 'START' && /\bstart\s+transaction\b/i.test(sql))
  );
}
