// The public names of the package with their doc comments, read from the sources of the entry points and of what they export.
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './readme-text';

export interface PublicName {
  /** `ResetOptions`, or `ResetOptions.reason` for a member. */
  name: string;
  file: string;
  kind: 'interface' | 'class' | 'type' | 'function' | 'property' | 'method';
  /** The text of the comment; undefined where there is none. */
  doc: string | undefined;
}

const ENTRIES = ['index', 'mocha', 'migrations', 'testing'].map((name) => `lib/${name}.ts`);
const TOP = /^export (?:async )?(?:declare )?(interface|class|type|function) (\w+)/;
/** A member of an interface or class at its first level, or of an object type inside it. */
const MEMBER = /^((?: {2}){1,2})(?:declare )?(?:readonly )?(\w+)\??(<[^(]*>)?([:(] ?| = )/;

export function publicNames(): PublicName[] {
  const exported = ENTRIES.filter((file) => fs.existsSync(path.join(ROOT, file))).flatMap((file) => exportsOf(file));
  return exported.flatMap(({ file, name }) => declarationOf(file, name));
}

/** What an entry point declares, and what it passes on by name. */
function exportsOf(file: string): { file: string; name: string }[] {
  const source = read(file);
  const own = source.split('\n').flatMap((line) => {
    const name = TOP.exec(line)?.[2];
    return name ? [{ file, name }] : [];
  });
  const passed = [...source.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(
    ([, names = '', from = '']) =>
      names
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => ({ file: `${path.posix.join(path.posix.dirname(file), from)}.ts`, name })),
  );
  return [...own, ...passed];
}

function declarationOf(file: string, name: string): PublicName[] {
  const lines = read(file).split('\n');
  const start = lines.findIndex((line) => TOP.exec(line)?.[2] === name);
  if (start < 0) {
    const elsewhere = [...read(file).matchAll(/^(?:export|import) .*\b(?:from) '(\.[^']+)'/gm)].map(
      ([, from = '']) => `${path.posix.join(path.posix.dirname(file), from)}.ts`,
    );
    for (const next of elsewhere) {
      if (
        read(next)
          .split('\n')
          .some((line) => TOP.exec(line)?.[2] === name)
      )
        return declarationOf(next, name);
    }
    throw new Error(`${file} has no ${name}`);
  }
  const kind = TOP.exec(lines[start] ?? '')?.[1] as PublicName['kind'];
  const names: PublicName[] = [{ name, file, kind, doc: docBefore(lines, start) }];
  if (kind !== 'interface' && kind !== 'class') return names;
  const end = lines.indexOf('}', start);
  for (let index = start + 1; index < end; index++) {
    const line = lines[index] ?? '';
    const [, indent = '', member = '', , sign = ''] = MEMBER.exec(line) ?? [];
    const isInner = indent.length > 2;
    if (!member || member === 'constructor' || /\bstatic\b/.test(line) || (isInner && kind === 'class')) continue;
    // The parameters of a method that goes over several lines.
    if (isInner && !line.endsWith(';')) continue;
    const isMethod = sign.startsWith('(') || /\)? => Promise|: Atomic;/.test(line);
    names.push({
      name: `${name}.${member}`,
      file,
      kind: isMethod ? 'method' : 'property',
      doc: docBefore(lines, index),
    });
  }
  return names;
}

/** The doc comment that ends right before a line. */
function docBefore(lines: string[], index: number): string | undefined {
  if (!lines[index - 1]?.endsWith('*/')) return undefined;
  let first = index - 1;
  while (first >= 0 && !/^\s*\/\*\*/.test(lines[first] ?? '')) first--;
  return lines.slice(first, index).join('\n');
}

function read(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}
