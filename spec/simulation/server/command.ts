// Reads one SQL statement, as far as the simulated server understands SQL: what the workload, knex and this package send.

export type Command =
  | { is: 'empty' }
  | { is: 'begin'; isReadOnly: boolean }
  | { is: 'commit'; isChained: boolean }
  | { is: 'rollback'; isChained: boolean }
  | { is: 'savepoint' | 'release' | 'rollback to'; name: string }
  | { is: 'set'; tag: string }
  | { is: 'discard' }
  | { is: 'insert'; value: string; key: string | undefined }
  | { is: 'update'; value: string; slot: string }
  | { is: 'select'; items: Item[]; from: string | undefined }
  | { is: 'not understood' };

/** One expression of a select list. */
export interface Item {
  expression: string;
  name: string;
}

/** Statements of a script; what is in quotes or comments has no semicolons here. */
export function statementsOf(sql: string): string[] {
  const statements = sql.split(';').map((part) => part.trim());
  return statements.length > 1 ? statements.filter((part) => part !== '') : statements;
}

/** The workload names each of its statements in a comment. */
export function tokenOf(sql: string): number | undefined {
  const found = /\/\*t(\d+)\*\//.exec(sql);
  return found ? Number(found[1]) : undefined;
}

const forms: [RegExp, (match: RegExpExecArray) => Command][] = [
  [/^$/, () => ({ is: 'empty' })],
  [/^(?:begin|start transaction)\b(.*)$/i, ([, mode]) => ({ is: 'begin', isReadOnly: /read only/i.test(mode!) })],
  [/^(?:commit|end)\b(.*)$/i, ([, how]) => ({ is: 'commit', isChained: /and chain/i.test(how!) })],
  [/^rollback to(?: savepoint)? "?(\w+)"?$/i, ([, name]) => ({ is: 'rollback to', name: name! })],
  [/^(?:rollback|abort)\b(.*)$/i, ([, how]) => ({ is: 'rollback', isChained: /and chain/i.test(how!) })],
  [/^savepoint "?(\w+)"?$/i, ([, name]) => ({ is: 'savepoint', name: name! })],
  [/^release(?: savepoint)? "?(\w+)"?$/i, ([, name]) => ({ is: 'release', name: name! })],
  [/^set constraints\b/i, () => ({ is: 'set', tag: 'SET CONSTRAINTS' })],
  [/^(?:set|reset)\b/i, () => ({ is: 'set', tag: 'SET' })],
  [/^discard all$/i, () => ({ is: 'discard' })],
  [
    /^insert into entries \(token(, key)?\) values \(([$\d]+)(?:, '?([$\w]+)'?)?\)/i,
    ([, , value, key]) => ({ is: 'insert', value: value!, key }),
  ],
  [
    /^update slots set token = ([$\d]+) where slot = ([$\d]+)/i,
    ([, value, slot]) => ({ is: 'update', value: value!, slot: slot! }),
  ],
];

/** Reads the statement without its comments. */
export function commandOf(sql: string): Command {
  const text = sql
    .replace(/\/\*.*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .trim();
  for (const [form, read] of forms) {
    const match = form.exec(text);
    if (match) return read(match);
  }
  return /^select\b/i.test(text) ? selectOf(text.slice(6)) : { is: 'not understood' };
}

function selectOf(text: string): Command {
  const [list, from] = splitAt(text, / from /i);
  const parts = commas(list).filter((part) => part !== '');
  const items = parts.map((part) => {
    const named = /^(.*) as "?(\w+)"?$/i.exec(part);
    return {
      expression: (named?.[1] ?? part).trim(),
      name: named?.[2] ?? /^([a-z]\w*)(?:\(|$)/i.exec(part)?.[1] ?? '?column?',
    };
  });
  return { is: 'select', items, from: from?.trim() };
}

/** Cuts at the first separator that is outside of all brackets. */
function splitAt(text: string, separator: RegExp): [string, string | undefined] {
  const all = new RegExp(separator, `g${separator.flags}`);
  for (let match = all.exec(text); match; match = all.exec(text)) {
    const before = text.slice(0, match.index);
    if (depthOf(before) === 0) return [before, text.slice(match.index + match[0].length)];
  }
  return [text, undefined];
}

function commas(text: string): string[] {
  const [first, rest] = splitAt(text, /,/);
  return rest === undefined ? [first.trim()] : [first.trim(), ...commas(rest)];
}

function depthOf(text: string): number {
  return text.split('(').length - text.split(')').length;
}
