// Reads from the text of a statement what its answer does not show. A text may have megabytes, and hundreds of comments: no expression here tries
// more than one way to divide it, so none takes longer than its length.

/**
 * What stands before the first word. MySQL runs what is in a comment with a version: only its beginning and its end are skipped. MariaDB takes
 * settings in front of any statement.
 */
const SKIPPED = /[\s;]+|--[^\n]*|#[^\n]*|\/\*M?!\d*|\*\/|\/\*[\s\S]*?(?:\*\/|$)|set\s+statement\b[^;]*?\bfor\b/iy;
const WORD = /\w+/y;
const CONTROL = new Set(['COMMIT', 'ROLLBACK', 'END', 'ABORT', 'BEGIN', 'START', 'XA']);

/** For a server that is not MySQL: to it a comment with a version is a comment like any other. */
export function withPlainComments(sql: string): string {
  return sql.replace(/\/\*(?=M?!)/g, '/* ');
}

/** In capitals. Empty where something else comes first. */
export function firstWord(sql: string): string {
  SKIPPED.lastIndex = 0;
  do WORD.lastIndex = SKIPPED.lastIndex;
  while (SKIPPED.test(sql));
  return (WORD.exec(sql)?.[0] ?? '').toUpperCase();
}

export function lastWord(sql: string): string | undefined {
  return sql.match(/\w+/g)?.at(-1);
}

const OF_ROWS = new Set(
  'SELECT INSERT UPDATE DELETE REPLACE WITH VALUES TABLE SET SHOW DO EXPLAIN DESCRIBE DESC SAVEPOINT RELEASE'.split(
    ' ',
  ),
);

export function namesAutocommit(sql: string): boolean {
  const set = /\bset\b/i.exec(sql);
  return set !== null && /\bautocommit\b/i.test(sql.slice(set.index));
}

/** Whether it is more than one statement, as far as its semicolons show. */
export function isScript(sql: string): boolean {
  return /;\s*\S/.test(sql);
}

/** Whether it leaves a transaction as it is, whatever becomes of it: a single statement about rows, settings or savepoints. */
export function isOfRows(sql: string): boolean {
  if (isScript(sql) || /^\s*set\b.*\bautocommit\b/is.test(sql)) return false;
  return OF_ROWS.has(firstWord(sql.replace(/^[\s(]+/, '')));
}

const COMMENT_OR_QUOTED = /--[^\n]*|\/\*(?!M?!)[\s\S]*?(?:\*\/|$)|'[^']*'|"[^"]*"|`[^`]*`/g;

/** Without comments and what is quoted. */
function bare(sql: string): string {
  return sql.replace(COMMENT_OR_QUOTED, ' ');
}

const ROLLBACK_TO = /\brollback(\s+(work|transaction))?\s+to\b/gi;

export function countOfRollbacksTo(sql: string): number {
  return bare(sql).match(ROLLBACK_TO)?.length ?? 0;
}

/** The first word of each of its statements, but for ROLLBACK TO. */
function verbsOf(text: string): string[] {
  return text.replace(ROLLBACK_TO, ' ').split(';').map(firstWord).filter(Boolean);
}

/** Whether a COMMIT is all that ends a transaction by its own words. */
export function isCommit(sql: string): boolean {
  const ends = verbsOf(bare(sql)).filter((verb) => CONTROL.has(verb));
  return ends.length > 0 && ends.every((verb) => verb === 'COMMIT' || verb === 'END');
}

const ENDS = new Set(['COMMIT', 'ROLLBACK', 'END']);

/** Whether a script ends a transaction by its own words, whatever comes behind that. */
export function isEndInScript(sql: string): boolean {
  return isScript(sql) && verbsOf(bare(sql)).some((verb) => ENDS.has(verb));
}

/** Whether a script ends the transaction that it is in and begins another, on SQLite. END may be that of a trigger. */
export function isRestartInScript(sql: string): boolean {
  if (!sql.includes(';') || !isScript(sql)) return false;
  const verbs = verbsOf(bare(sql));
  const isBehind = (begin: string, isEnd: (verb: string) => boolean) => {
    const end = verbs.findIndex(isEnd);
    return end >= 0 && verbs.includes(begin, end);
  };
  return (
    isBehind('BEGIN', (verb) => ENDS.has(verb)) || isBehind('SAVEPOINT', (verb) => verb !== 'END' && ENDS.has(verb))
  );
}

/** On MySQL these commit before and after by themselves, SET where it turns autocommit on. */
const COMMITTING = new Set(
  'ALTER ANALYZE BACKUP CACHE CHANGE CHECK CREATE DROP FLUSH GRANT IMPORT INSTALL LOAD LOCK OPTIMIZE RENAME REPAIR RESET REVOKE SET STOP TRUNCATE UNINSTALL UNLOCK'.split(
    ' ',
  ),
);
/** Its body is not run. */
const STORED_PROGRAM =
  /^\s*(create|alter)\s+(or\s+replace\s+)?(definer\s*=[^;]*?)?(aggregate\s+)?(procedure|function|trigger|event|package)\b/i;
/** On MariaDB, in front of any statement. */
const FOR_THE_STATEMENT = /^\s*set\s+statement\b.*?\bfor\b/is;

/** Whether what has ended a transaction on MySQL is known to be a statement that commits by itself: not what a procedure or a prepared statement did. */
export function commitsByItself(sql: string): boolean {
  const text = bare(sql).replace(FOR_THE_STATEMENT, ' ');
  if (STORED_PROGRAM.test(text)) return true;
  const verbs = verbsOf(text);
  return verbs.some((verb) => COMMITTING.has(verb)) && verbs.every((verb) => COMMITTING.has(verb) || OF_ROWS.has(verb));
}

/** Whether it leaves its session with locks that no transaction's end frees, on MySQL. Undefined: as it was. */
export function locksSession(sql: string): boolean | undefined {
  const word = firstWord(sql);
  if (word === 'UNLOCK') return false;
  const takes = word === 'LOCK' || (word === 'FLUSH' && /\bwith\s+read\s+lock\b|\bfor\s+export\b/i.test(sql));
  return takes ? !/;\s*unlock\b/i.test(sql) : undefined;
}

/** Whether one of its statements ends the transaction that it is in and begins another, on MySQL. */
export function isRestart(sql: string): boolean {
  return (sql.includes(';') ? bare(sql).split(';') : [sql]).some(isSingleRestart);
}

function isSingleRestart(sql: string): boolean {
  switch (firstWord(sql)) {
    case 'COMMIT':
    case 'ROLLBACK':
      return /\band\s+chain\b/i.test(bare(sql));
    // MariaDB has compound statements that begin with BEGIN, and MySQL has START REPLICA.
    case 'BEGIN':
      return /\bbegin(\s+work)?[\s*/]*$/i.test(bare(sql));
    case 'START':
      return /\bstart\s+transaction\b/i.test(bare(sql));
    default:
      return false;
  }
}
