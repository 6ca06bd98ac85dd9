// Reads from the text of a statement what its answer does not say.

const FIRST_WORD = /^(?:\s|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(\w+)/;
const CONTROL = new Set(['COMMIT', 'ROLLBACK', 'END', 'ABORT', 'BEGIN', 'START', 'XA']);

function firstWord(sql: string): string {
  return (FIRST_WORD.exec(sql)?.[1] ?? '').toUpperCase();
}

/** ROLLBACK of the whole transaction. */
export function isRollback(sql = ''): boolean {
  return firstWord(sql) === 'ROLLBACK' && !/\bto\b/i.test(sql);
}

/** Whether a single statement ends or begins a transaction by its own words. */
export function isControl(sql: string): boolean {
  return CONTROL.has(firstWord(sql)) || /;\s*(commit|rollback|begin|start)\b/i.test(sql);
}
