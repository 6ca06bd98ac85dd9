// Which module of lib/ is in which file of dist/. `index.js` holds what every app needs, and is an entry point; `tools.js` has the other entry
// points. What only some apps need has a bundle of its own, which is loaded when something of it is used for the first time. A module is in one
// bundle only, so there is one instance of everything.
import path from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

const ROOT = path.resolve(__dirname, '..');
export const CORE = 'index.js';
export const TOOLS = 'tools.js';

interface OnDemand {
  /** Those of its modules that the core, and bundles which do not build on it, ask for. */
  modules: string[];
  /** Bundles beside the core that it builds on. */
  on?: string[];
}

export const ON_DEMAND: Record<string, OnDemand> = {
  'mysql.js': { modules: ['lib/drivers/mysql/mysql.ts'] },
  'sqlite.js': { modules: ['lib/drivers/sqlite/better-sqlite3.ts', 'lib/drivers/sqlite/sqlite3.ts'] },
  // What is not needed before a connection is being opened. A reset is in the core: a connection has to be ended also where no file can be read.
  'connected.js': {
    modules: [
      'lib/knex/transaction-class.ts',
      'lib/transaction/atomic.ts',
      'lib/transaction/batch-insert.ts',
      'lib/transaction/begin.ts',
      'lib/transaction/find-transaction.ts',
      'lib/transaction/register-hook.ts',
      'lib/transaction/watch-queries.ts',
    ],
  },
  'sandbox.js': {
    modules: ['lib/sandbox/sandbox.ts', 'lib/transaction/sandbox-transaction.ts'],
    on: ['connected.js'],
  },
};

/** Modules of lib/, each with the bundle that it is in. */
export type Homes = ReadonlyMap<string, string>;

const asked: Homes = new Map(
  Object.entries(ON_DEMAND).flatMap(([name, { modules }]) => modules.map((each): [string, string] => [each, name])),
);

/** Whether a bundle may take from another as soon as it is loaded. */
export const buildsOn = (name: string, other: string) => other === CORE || !!ON_DEMAND[name]?.on?.includes(other);

/** Finds a bundle for each module. What several need is in the one that the others build on, or else in the core. */
export async function homesOf(entries: Map<string, string>): Promise<Homes> {
  const homes = new Map(asked);
  for (const [name, entry] of entries) {
    const modules = (ON_DEMAND[name]?.modules ?? []).map((each) => `import './${each}';`);
    for (const each of await modulesOf(name, [entry, ...modules].join('\n'), homes)) {
      if (!asked.has(each)) homes.set(each, shared(name, homes.get(each) ?? name));
    }
  }
  return homes;
}

function shared(one: string, other: string): string {
  if (one === other || buildsOn(one, other)) return other;
  return buildsOn(other, one) ? one : CORE;
}

/** What a bundle needs, without the core's modules, and without what other bundles are asked for. */
async function modulesOf(bundle: string, contents: string, homes: Homes): Promise<string[]> {
  const isElsewhere = (name: string) => {
    const home = homes.get(name);
    return home !== bundle && (home === CORE || asked.has(name));
  };
  const stop: Plugin = {
    name: 'stop',
    setup(building) {
      building.onResolve({ filter: /^\./ }, ({ path: from, resolveDir }) => {
        const name = moduleAmong(homes, from, resolveDir);
        return name !== undefined && isElsewhere(name) ? { path: name, external: true } : undefined;
      });
    },
  };
  return Object.keys((await examine(contents, [stop])).inputs).filter((each) => each.startsWith('lib/'));
}

/** The module that an import means, if it is one of those that have a home. */
export function moduleAmong(homes: Homes, from: string, folder: string): string | undefined {
  return [`${from}.ts`, path.join(from, 'index.ts')]
    .map((file) => path.relative(ROOT, path.resolve(folder, file)).replaceAll(path.sep, '/'))
    .find((name) => homes.has(name));
}

/** What a module exports. */
export async function exportsOf(module: string): Promise<string[]> {
  const { outputs } = await examine(`export * from './${module}';`);
  return Object.values(outputs).flatMap((output) => output.exports);
}

async function examine(contents: string, plugins: Plugin[] = []): Promise<Metafile> {
  const { metafile } = await build({
    stdin: { contents, resolveDir: ROOT },
    absWorkingDir: ROOT,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outfile: 'unused.js',
    write: false,
    metafile: true,
    plugins,
  });
  return metafile;
}
