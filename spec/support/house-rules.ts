// How large and how entangled the files of lib/ may be, as functions from sources to figures: see architecture.spec.ts.
import fs from 'node:fs';
import path from 'node:path';
import { importsOf, type SourceFile, withoutComments } from './import-rules';

/** What stands over its limit, by what it is: a file, a function, a class, a circle of files. */
export type Figures = Record<string, number>;

const lib = path.resolve(__dirname, '..', '..', 'lib');

/** All files of lib/. */
export function sources(): SourceFile[] {
  return fs
    .readdirSync(lib, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ path: name.replaceAll(path.sep, '/'), text: fs.readFileSync(path.join(lib, name), 'utf8') }));
}

interface Rule {
  readonly title: string;
  /** No figure may be over it. */
  readonly limit: number;
  /** The figures over a limit. */
  figures(files: SourceFile[], limit: number): Figures;
}

/** What holds for lib/. */
export const RULES = {
  files: { title: 'lines of a file', limit: 200, figures: longFiles },
  functions: { title: 'lines of a function', limit: 45, figures: longFunctions },
  fields: { title: 'fields of a class that change', limit: 6, figures: mutableFields },
  importers: { title: 'files that import a file, words/ apart', limit: 12, figures: importers },
  circles: { title: 'files in a circle of imports, those of types included', limit: 0, figures: circles },
  sql: { title: 'lines with SQL text outside of drivers/', limit: 0, figures: sqlOutsideOfDrivers },
  errorCodes: {
    title: 'lines with an error code outside of drivers/error-codes.ts',
    limit: 0,
    figures: strayErrorCodes,
  },
  knexNames: { title: "lines with a name of knex's insides outside of knex/", limit: 0, figures: knexNamesOutside },
  stateWriters: { title: 'writes of the state of a transaction outside of its file', limit: 0, figures: stateWriters },
  kinds: { title: 'lines that ask which kind of transaction one is', limit: 0, figures: kindsAsked },
} as const satisfies Record<string, Rule>;

/** Lines of each file over the limit. */
export function longFiles(files: SourceFile[], limit: number): Figures {
  return over(
    limit,
    files.map(({ path: name, text }) => [name, text.trimEnd().split('\n').length]),
  );
}

const FUNCTION_START =
  /^\s*(?:(?:export|static|override|private|protected|async|get|set)\s+)*(?:function\s+)?(#?\w+).*/;
const NO_FUNCTION =
  /^\s*(?:(?:export|abstract)\s+)*(?:class|interface|if|for|while|switch|try|do|else|import|enum|namespace)\b|^\s*(?:export\s+)?type\b/;

/** Lines of each function over the limit, by the indentation that the formatter gives it. */
export function longFunctions(files: SourceFile[], limit: number): Figures {
  return over(
    limit,
    files.flatMap((file) => functionsOf(file)),
  );
}

function functionsOf({ path: name, text }: SourceFile): [string, number][] {
  const lines = text.split('\n');
  return lines.flatMap((line, start): [string, number][] => {
    if (!line.endsWith('{') || !/[)>]|\): |=> /.test(line) || NO_FUNCTION.test(line)) return [];
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const head = headOf(lines, start, indent);
    const called = FUNCTION_START.exec(lines[head] ?? '')?.[1];
    const end = lines.findIndex((each, i) => i > start && each.startsWith(`${indent}}`));
    return called && end > 0 ? [[`${name} ${called}`, end - head + 1]] : [];
  });
}

/** A head of several lines ends with one that begins with its closing parenthesis. */
function headOf(lines: string[], start: number, indent: string): number {
  if (!lines[start]?.startsWith(`${indent})`)) return start;
  for (let i = start - 1; i >= 0; i--) if (new RegExp(`^${indent}\\S`).test(lines[i] ?? '')) return i;
  return start;
}

/** Fields of each class that are written after the constructor, over the limit. */
export function mutableFields(files: SourceFile[], limit: number): Figures {
  return over(
    limit,
    files.flatMap((file) => classesOf(file)),
  );
}

function classesOf({ path: name, text }: SourceFile): [string, number][] {
  const classes = text.matchAll(/^(?:export )?(?:abstract )?class (\w+)[\s\S]*?^\}/gm);
  return [...classes].map(([body, called]) => {
    const fields = body.split('\n').filter((line) => {
      const isField = /^ {2}(?:(?:protected|private|public|override|declare) )*#?\w+[?!]?(?:: .*)?(?: = .*)?;$/;
      return isField.test(line) && !/\breadonly\b|^ {2}(?:return|throw)\b/.test(line);
    });
    return [`${name} ${called}`, fields.length];
  });
}

/** How many files import each file, types included, over the limit; words/ are for everybody. */
export function importers(files: SourceFile[], limit: number): Figures {
  const counts = new Map<string, number>();
  for (const file of files) for (const target of targetsOf(file)) counts.set(target, (counts.get(target) ?? 0) + 1);
  return over(
    limit,
    [...counts].filter(([name]) => !name.startsWith('words/')),
  );
}

/** The files of each circle of imports, types included. */
export function circles(files: SourceFile[]): Figures {
  const graph = new Map(files.map((file) => [file.path, targetsOf(file)]));
  const reach = (from: string): Set<string> => {
    const seen = new Set<string>();
    const open = [...(graph.get(from) ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...(graph.get(next) ?? []));
    }
    return seen;
  };
  const reached = new Map([...graph.keys()].map((name) => [name, reach(name)]));
  const found = new Map<string, number>();
  for (const [name, all] of reached) {
    const circle = [...all].filter((other) => reached.get(other)?.has(name));
    if (circle.length > 0) found.set(circle.sort()[0] as string, circle.length);
  }
  return Object.fromEntries(found);
}

const SQL_TEXT =
  /['"`](?:(?:SELECT|INSERT|UPDATE|DELETE|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|DISCARD|KILL|LOCK)(?: |['"`;])|(?:select|insert|update|delete|rollback|release) \w)/;

/** Lines with SQL text outside of drivers/, by file. */
export function sqlOutsideOfDrivers(files: SourceFile[]): Figures {
  return linesWith(files, (name) => !name.startsWith('drivers/'), SQL_TEXT);
}

const KNEX_NAMES =
  /\b(?:trxClient|outerTx|acquireRawConnection|destroyRawConnection|executionPromise|transacting|doNotRejectOnRollback|txid|getPoolSettings|connectionConfigProvider|connectionConfigExpirationChecker|connectionSettings|initializePool|setSchemaSearchPath|valueForUndefined|transactor|disableProcessing)\b/;

/** Lines with a name of knex's insides outside of knex/, by file. */
export function knexNamesOutside(files: SourceFile[]): Figures {
  return linesWith(files, (name) => !name.startsWith('knex/'), KNEX_NAMES);
}

const ERROR_CODES =
  /(?<!sqlstate )['"`](?=[A-Z]*\d)[\dA-Z]{5}['"`]|\b(?:ER|PROTOCOL|SQLITE)_[A-Z]{3,}|['"`]E(?:CONN|PIPE|TIMED|HOST|NET)\w*['"`]|\berrno === \d/;

/** Lines with an error code outside of its table, by file. */
export function strayErrorCodes(files: SourceFile[]): Figures {
  return linesWith(files, (name) => name !== 'drivers/error-codes.ts', ERROR_CODES);
}

/** Lines that write the state of a transaction, by file. */
export function stateWriters(files: SourceFile[]): Figures {
  const pattern = /\.(?:phase|outcome|isAborted) = |^\s*(?:this\.)?#?state = /;
  return linesWith(files, (name) => name.startsWith('transaction/') && name !== 'transaction/life.ts', pattern);
}

/** Lines that ask for the class of a transaction, or take something for one unasked, by file. The classes differ in methods instead. */
export function kindsAsked(files: SourceFile[]): Figures {
  const kinds =
    /\bisSavepoint\b|\b(?:as|instanceof) (?:(?:Controlled|Root|Sandbox)Transaction|\w*Savepoint|\w*Root)\b|\bas Transaction\b/;
  return linesWith(files, (name) => name.startsWith('transaction/') || name.startsWith('sandbox/'), kinds);
}

function linesWith(files: SourceFile[], isMeant: (name: string) => boolean, pattern: RegExp): Figures {
  return over(
    0,
    files
      .filter(({ path: name }) => isMeant(name))
      .map((file) => [
        file.path,
        withoutComments(file.text)
          .split('\n')
          .filter((line) => pattern.test(line)).length,
      ]),
  );
}

function targetsOf(file: SourceFile): string[] {
  const targets = importsOf(withoutComments(file.text))
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => path.posix.join(path.posix.dirname(file.path), specifier));
  return [...new Set(targets)].map((target) => (target === 'drivers' ? 'drivers/index.ts' : `${target}.ts`));
}

function over(limit: number, figures: [string, number][]): Figures {
  return Object.fromEntries(figures.filter(([, figure]) => figure > limit).sort(([a], [b]) => (a < b ? -1 : 1)));
}
