// A knex that does not have what this package relies on, and the error that names its version.
import path from 'node:path';
import { valueOr } from '../words/foreign';

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
