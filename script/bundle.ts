// The code of dist/. `knex-reset.js` holds what every app needs. What only some apps need has a bundle of its own: `tools.js` the other entry
// points, `mysql.js` and `sqlite.js` those drivers, which are loaded when an instance asks for one, `sandbox.js` the sandboxes. A module of lib/
// is in one bundle only, so there is one instance of everything.
import path from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

const ROOT = path.resolve(__dirname, '..');
export const CORE = 'knex-reset.js';
export const TOOLS = 'tools.js';

/** The bundles that are loaded when something of them is used for the first time, with their modules that the core uses. */
const ON_DEMAND: Record<string, string[]> = {
  'mysql.js': ['lib/drivers/mysql/mysql.ts'],
  'sqlite.js': ['lib/drivers/sqlite/better-sqlite3.ts', 'lib/drivers/sqlite/sqlite3.ts'],
  'sandbox.js': ['lib/sandbox/sandbox.ts', 'lib/transaction/sandbox-transaction.ts'],
};

/** Modules of lib/, each with the bundle that it is in. */
type Homes = ReadonlyMap<string, string>;

interface Settings {
  entries: string[];
  dist: string;
  /** As package.json says it in `engines`. */
  node: string;
}

const NAMESPACE = 'elsewhere';

function options(contents: string, { node }: Settings): BuildOptions {
  return {
    stdin: { contents, resolveDir: ROOT },
    absWorkingDir: ROOT,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: node.replace(/^\D+/, 'node'),
    // V8 reads every character when the package is loaded, comments too. Names stay, so that stacks can be read.
    minifyWhitespace: true,
    lineLimit: 160,
    // With the text of lib/, which is not published: tools warn of maps that lead to files that are not there.
    sourcemap: true,
    logLevel: 'warning',
  };
}

/** Makes the bundles for the entry points: `index` is in the core, all others in `tools.js`. */
export async function bundle(settings: Settings): Promise<void> {
  const index = "export * as index from './lib/index';";
  const others = new Map(Object.entries(ON_DEMAND).map(([name, modules]) => [name, exporting(modules)]));
  const tools = settings.entries.filter((name) => name !== 'index');
  others.set(TOOLS, tools.map((name) => `export * as ${name} from './lib/${name}';`).join('\n'));

  const homes = await homesOf(index, others, settings);
  const taken = new Set<string>();
  for (const [name, contents] of others) await write(name, contents, { homes, taken, settings });
  await write(CORE, `${index}\n${exporting([...taken])}`, { homes, taken: new Set(), settings });
}

/** What makes a bundle whose `modules` has these modules by name. */
function exporting(modules: string[]): string {
  const imports = modules.map((name, number) => `import * as module${number} from './${name}';`);
  const members = modules.map((name, number) => `${JSON.stringify(name)}: module${number}`);
  return [...imports, `export const modules = { ${members.join(', ')} };`].join('\n');
}

interface Making {
  homes: Homes;
  /** Receives the modules that come from another bundle. */
  taken: Set<string>;
  settings: Settings;
}

async function write(name: string, contents: string, making: Making): Promise<void> {
  const outfile = path.join(making.settings.dist, name);
  await build({ ...options(contents, making.settings), outfile, plugins: [fromElsewhere(name, making)] });
}

/** Finds a bundle for each module. What more than one bundle needs is in the core. */
async function homesOf(index: string, others: Map<string, string>, settings: Settings): Promise<Homes> {
  const homes = new Map(Object.entries(ON_DEMAND).flatMap(([name, modules]) => modules.map((each) => [each, name])));
  for (const each of await modulesOf(CORE, index, homes, settings)) homes.set(each, CORE);
  for (const [name, contents] of others) {
    for (const each of await modulesOf(name, contents, homes, settings)) {
      homes.set(each, homes.has(each) && homes.get(each) !== name ? CORE : name);
    }
  }
  return homes;
}

/** The modules of lib/ that are in a bundle, and in none that the core has. */
async function modulesOf(name: string, contents: string, homes: Homes, settings: Settings): Promise<string[]> {
  const elsewhere = new Map([...homes].filter(([, home]) => name === CORE || home === CORE));
  const { metafile } = await build({
    ...options(contents, settings),
    plugins: [fromElsewhere(name, { homes: elsewhere, taken: new Set(), settings })],
    outfile: 'unused.js',
    write: false,
    metafile: true,
  });
  return Object.keys(metafile.inputs).filter((each) => each.startsWith('lib/'));
}

/** What a module exports. */
async function exportsOf(name: string, { settings }: Making): Promise<string[]> {
  const contents = `export * from './${name}';`;
  const { metafile } = await build({
    ...options(contents, settings),
    format: 'esm',
    outfile: 'unused.js',
    write: false,
    metafile: true,
  });
  return Object.values(metafile.outputs).flatMap((output) => output.exports);
}

/** Takes modules that are in another bundle from there. */
function fromElsewhere(self: string, making: Making): Plugin {
  const moduleOf = (from: string, folder: string) =>
    [`${from}.ts`, path.join(from, 'index.ts')]
      .map((file) => path.relative(ROOT, path.resolve(folder, file)).replaceAll(path.sep, '/'))
      .find((name) => making.homes.has(name));
  return {
    name: 'from-elsewhere',
    setup(building) {
      building.onResolve({ filter: /^\./ }, ({ path: from, resolveDir, namespace }) => {
        if (namespace === NAMESPACE) return { path: from, external: true };
        const name = moduleOf(from, resolveDir);
        if (name === undefined || making.homes.get(name) === self) return undefined;
        making.taken.add(name);
        return { path: name, namespace: NAMESPACE };
      });
      building.onLoad({ filter: /.*/, namespace: NAMESPACE }, async ({ path: name }) => {
        const taken = `require('./${making.homes.get(name)}').modules[${JSON.stringify(name)}]`;
        const contents = self === CORE ? later(taken, await exportsOf(name, making)) : `module.exports = ${taken};`;
        return { contents, resolveDir: ROOT };
      });
    },
  };
}

/** A module whose members are looked up when they are used. */
function later(taken: string, names: string[]): string {
  const getter = (name: string) => `  get ${name}() { return (loaded ??= ${taken}).${name}; },`;
  return ['let loaded;', 'module.exports = {', ...names.map(getter), '};'].join('\n');
}
