// A table of the fields that this package relies on of an object of knex's. Its type makes the table and the interface name the same fields.
import { read } from '../words/foreign';

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
