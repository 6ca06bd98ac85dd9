// A table of the fields that this package relies on of an object of knex's, and the error for a knex without them. The table's type makes it
// and the interface name the same fields.
import path from 'node:path';
import { read, valueOr } from '../words/foreign';

/** `present`: it has the field, with whatever value. `optional`: not every dialect or version has it, or only at times. */
export type Kind = 'function' | 'object' | 'string' | 'number' | 'boolean' | 'present' | 'optional';

export type Shape<T, Without = never> = Readonly<Record<Exclude<keyof T, Without>, Kind>>;

/** The fields that the object does not have as it should. */
export function missing(of: object, shape: Readonly<Record<string, Kind>>): string[] {
  return Object.keys(shape).filter((name) => !has(of, name, shape[name]));
}

function has(of: object, name: string, kind: Kind | undefined): boolean {
  if (kind === 'optional') return true;
  if (kind === 'present') return name in of;
  const value = read(of, name);
  return typeof value === kind && value !== null;
}

const BASE = path.join('lib', 'client.js');

/** @param absent what it does not have */
export function unknownKnex(client: object, absent: string[]): TypeError {
  const version = knexVersionOf(client);
  const knex = version === undefined ? 'this version of Knex' : `Knex ${version}`;
  return new TypeError(
    `knex-reset relies on what ${knex} does not have: ${absent.join(', ')}; update knex-reset, or take a version of Knex that it knows`,
  );
}

/** Undefined where knex was bundled, and its files are not to be found. */
function knexVersionOf(client: object): string | undefined {
  return valueOr(undefined, () => {
    const classes = new Set<unknown>();
    for (let each = client; each; each = Object.getPrototypeOf(each) as object) classes.add(each.constructor);
    // Every dialect's class is made from that of knex/lib/client.js.
    const [file] =
      Object.entries(require.cache).find(([name, module]) => name.endsWith(BASE) && classes.has(module?.exports)) ?? [];
    if (file === undefined) return undefined;
    const { version } = require(`${file.slice(0, -BASE.length)}package.json`) as { version: string };
    return version;
  });
}
