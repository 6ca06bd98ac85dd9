// The direction of imports in lib/, as a function from sources to violations: see architecture.spec.ts.
import path from 'node:path';

export interface SourceFile {
  /** Below lib/, with slashes: `reset/report.ts`. */
  path: string;
  text: string;
}

export interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** From the bottom to the top; each entry is a folder or a file of lib/, and is a room. */
const levels = [
  ['words'],
  ['drivers', 'knex'],
  ['connection'],
  ['pool'],
  [
    'reset',
    'transaction',
    'recovery',
    'sandbox',
    'diagnostics',
    'migration-lock',
    'test-hooks',
    'empty-tables',
    'worker-database',
  ],
  [
    'index.ts',
    'mocha.ts',
    'testing.ts',
    'migrations.ts',
    'resettable.ts',
    'instance.ts',
    'atomic-from-anywhere.ts',
    'hooks-from-anywhere.ts',
    'methods.ts',
    'registry.ts',
  ],
];
const bottom = 0;
const top = levels.length - 1;

/** One sentence for each line that stands in the wrong room, or reaches into one. */
export function violations(files: SourceFile[]): string[] {
  return files.flatMap((file) => {
    if (levelOf(file.path) < 0) return [`lib/${file.path} is in no room of the layout: ${levels.flat().join(', ')}`];
    const code = withoutComments(file.text);
    const faults = [
      ...importsOf(code).flatMap((each) => importFault(file.path, each)),
      ...reachFaults(file.path, code),
    ];
    return faults.map((fault) => `lib/${file.path} ${fault}`);
  });
}

function importFault(from: string, { specifier, typeOnly }: Import): string[] {
  if (/^knex\/lib(\/|$)/.test(specifier)) return [`imports ${specifier}: knex's inner files are not its interface`];
  if (!specifier.startsWith('.')) return [];

  const target = path.posix.join(path.posix.dirname(from), specifier.replace(/\.[jt]s$/, ''));
  if (target.startsWith('..')) return [`imports ${specifier} from outside lib/`];
  const [fromLevel, targetLevel] = [levelOf(from), levelOf(target)];
  const kind = typeOnly ? 'types of ' : '';
  if (targetLevel < 0) return [`imports ${kind}${target}, which is in no room of the layout`];
  if (targetLevel > fromLevel) return [`imports ${kind}${target}, which is above it`];

  const neighbours = targetLevel === fromLevel && roomOf(from) !== roomOf(target);
  const mayMeet = typeOnly || fromLevel === bottom || fromLevel === top;
  return neighbours && !mayMeet
    ? [`imports ${target}: ${roomOf(from)} and ${roomOf(target)} must not know each other`]
    : [];
}

/** Private fields of knex are for knex/, those of the drivers' clients for drivers/. */
function reachFaults(from: string, code: string): string[] {
  const room = roomOf(from);
  const faults: string[] = [];
  const field = /(?:\.|\[['"`])(_[a-z]\w*)/.exec(code);
  if (field && room !== 'knex' && room !== 'drivers') faults.push(`touches the private field ${field[1]}`);
  const knexField = /__knex\w*/.exec(code);
  if (knexField && room !== 'knex') faults.push(`touches ${knexField[0]}, which is for lib/knex only`);
  return faults;
}

export function importsOf(code: string): Import[] {
  const statements = code.matchAll(/\b(?:import|export)\s+(type\s)?([^;'"]*?\bfrom\s*)?['"]([^'"]+)['"]/g);
  const calls = code.matchAll(/\b(?:require|import)\(\s*['"]([^'"]+)['"]\s*\)/g);
  return [
    ...[...statements].map(([, type, names = '', specifier = '']) => ({
      specifier,
      typeOnly: type !== undefined || everyNameIsType(names),
    })),
    ...[...calls].map(([, specifier = '']) => ({ specifier, typeOnly: false })),
  ];
}

/** `{ type A, type B } from` */
function everyNameIsType(names: string): boolean {
  const list = /^\{([^}]*)\}\s*from/
    .exec(names.trim())?.[1]
    ?.split(',')
    .map((name) => name.trim());
  const given = list?.filter((name) => name !== '') ?? [];
  return given.length > 0 && given.every((name) => name.startsWith('type '));
}

function roomOf(file: string): string {
  const [first = '', ...below] = file.split('/');
  return below.length > 0 || first.endsWith('.ts') || levels.flat().includes(first) ? first : `${first}.ts`;
}

function levelOf(file: string): number {
  return levels.findIndex((rooms) => rooms.includes(roomOf(file)));
}

export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
