// Writes the code of dist/. Which module is in which file is in bundle-homes.ts. A bundle on demand is a function that gets `take` from the core,
// and returns its modules. If it asked `require` for the core, it would get another one wherever modules are loaded afresh: after
// jest.resetModules(), for one.
import fs from 'node:fs';
import path from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { buildsOn, CORE, exportsOf, type Homes, homesOf, moduleAmong, ON_DEMAND, TOOLS } from './bundle-homes';
import { withWholeStrings } from './whole-strings';

const ROOT = path.resolve(__dirname, '..');

interface Settings {
  entries: string[];
  dist: string;
  /** As package.json says it in `engines`. */
  node: string;
}

interface Making extends Settings {
  homes: Homes;
  /** By bundle, the modules that others take from it. */
  taken: Map<string, Set<string>>;
}

/** Makes the bundles for the entry points: `index` is the core, all others are in `tools.js`. */
export async function bundle(settings: Settings): Promise<void> {
  const tools = settings.entries.filter((name) => name !== 'index');
  const entries = new Map([
    [CORE, "export * from './lib/index';"],
    ...Object.keys(ON_DEMAND).map((name): [string, string] => [name, '']),
    [TOOLS, tools.map((name) => `export * as ${name} from './lib/${name}';`).join('\n')],
  ]);
  const taken = new Map(Object.entries(ON_DEMAND).map(([name, { modules }]) => [name, new Set(modules)]));
  const making = { ...settings, homes: await homesOf(entries), taken };
  // Those that build on others first, so that it is known what the others give.
  for (const [name, entry] of [...entries].reverse()) await write(name, entry, making);
}

async function write(name: string, entry: string, making: Making): Promise<void> {
  const given = await Promise.all([...(making.taken.get(name) ?? [])].map(asMember));
  const object = `{ ${given.map(({ member }) => member).join(', ')} }`;
  const contents = [entry, ...given.map(({ imports }) => imports), handOver(name, object)].join('\n');
  const outfile = path.join(making.dist, name);
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    absWorkingDir: ROOT,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: making.node.replace(/^\D+/, 'node'),
    // V8 reads every character when the package is loaded, comments too. Names stay, so that stacks can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    // With the text of lib/, which is not published: tools warn of maps that lead to files that are not there.
    sourcemap: true,
    logLevel: 'warning',
    ...around(name),
    outfile,
    write: false,
    plugins: [fromElsewhere(name, making)],
  });
  const textOf = (file: string) => outputFiles.find((output) => output.path === file)?.text ?? '';
  const { code, map } = withWholeStrings(textOf(outfile), textOf(`${outfile}.map`));
  fs.mkdirSync(making.dist, { recursive: true });
  fs.writeFileSync(outfile, code);
  fs.writeFileSync(`${outfile}.map`, map);
}

/** A module as a member of an object literal, and the imports that it needs. */
async function asMember(module: string, number: number): Promise<{ imports: string; member: string }> {
  const names = await exportsOf(module);
  const members = names.map((name) => `${name}: ${name}${number}`);
  return {
    imports: `import { ${names.map((name) => `${name} as ${name}${number}`).join(', ')} } from './${module}';`,
    member: `${JSON.stringify(module)}: { ${members.join(', ')} }`,
  };
}

/** How a bundle gives its modules to others. */
function handOver(name: string, modules: string): string {
  if (name === TOOLS) return '';
  if (name !== CORE) return `given = ${modules};`;
  return [
    `import { loaders, take } from '${TAKE}';`,
    // Made when a bundle asks for it.
    `loaders['${CORE}'] = () => () => (${modules});`,
    // No export that users see: written so that Node's lexer does not find it.
    'const hidden = { value: take };',
    "Object.defineProperty(module.exports, 'take', hidden);",
  ].join('\n');
}

/** What stands around the code of a bundle. */
function around(name: string): BuildOptions {
  if (name === CORE) return {};
  if (name === TOOLS) return { banner: { js: `const take=require("./${CORE}").take;` } };
  // The parentheses tell V8 that it is called at once.
  return { banner: { js: 'module.exports=(function(take){let given;' }, footer: { js: 'return given})' } };
}

/** The core's module with `take`, which finds the modules of a bundle. */
const TAKE = 'take';
const TAKE_CODE = `
  const bundles = {};
  export const loaders = { ${Object.keys(ON_DEMAND)
    .map((name) => `'${name}': () => require('./${name}')`)
    .join(', ')} };
  export function take(name) {
    return (bundles[name] ??= loaders[name]()(take));
  }`;

/** Of another bundle that this one builds on. */
const NOW = 'now';
/** All that other bundles take from one that is loaded on demand: one object, since each costs time when the package is loaded. */
const LATER = 'later';

const inHome = (home: string, module: string) => `take(${JSON.stringify(home)})[${JSON.stringify(module)}]`;

/** Takes modules that are in another bundle from there. */
function fromElsewhere(self: string, { homes, taken }: Making): Plugin {
  return {
    name: 'from-elsewhere',
    setup(building) {
      building.onResolve({ filter: new RegExp(`^${TAKE}$`) }, () => ({ path: TAKE, namespace: TAKE }));
      building.onLoad({ filter: /.*/, namespace: TAKE }, () => ({ contents: TAKE_CODE }));
      building.onResolve({ filter: /^\./ }, ({ path: from, resolveDir, namespace }) => {
        if (namespace === TAKE) return { path: from, external: true };
        const module = moduleAmong(homes, from, resolveDir);
        const home = homes.get(module ?? '');
        if (module === undefined || home === undefined || home === self) return undefined;
        taken.set(home, (taken.get(home) ?? new Set()).add(module));
        return buildsOn(self, home) ? { path: module, namespace: NOW } : { path: home, namespace: LATER };
      });
      building.onLoad({ filter: /.*/, namespace: NOW }, async ({ path: module }) => ({
        contents: now(inHome(homes.get(module) ?? CORE, module), await exportsOf(module)),
      }));
      building.onLoad({ filter: /.*/, namespace: LATER }, async ({ path: home }) => ({
        contents: (self === CORE ? `import { take } from '${TAKE}';\n` : '') + (await later(home)),
        resolveDir: ROOT,
      }));
    },
  };
}

/** A module whose members are taken at once. */
function now(module: string, names: string[]): string {
  return `const { ${names.join(', ')} } = ${module};\nexport { ${names.join(', ')} };`;
}

/** The members of a bundle's modules, which are looked up when they are used. */
async function later(home: string): Promise<string> {
  const getters = new Map<string, string>();
  for (const module of ON_DEMAND[home]?.modules ?? []) {
    for (const name of await exportsOf(module)) {
      if (getters.has(name)) throw new Error(`two modules of ${home} that others ask for export ${name}`);
      getters.set(name, `  get ${name}() { return ${inHome(home, module)}.${name}; },`);
    }
  }
  return ['module.exports = {', ...getters.values(), '};'].join('\n');
}
