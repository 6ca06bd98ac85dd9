// The code of dist/: all that `knex-reset` itself needs in one file, and what only its other entry points need in a second one, which takes
// everything else from the first. So there is one instance of everything, and an app loads nothing that only its tests use.
import path from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

const ROOT = path.resolve(__dirname, '..');
export const CORE = 'knex-reset.js';
export const TOOLS = 'tools.js';

const NAMESPACE = 'core';

function options(contents: string, node: string): BuildOptions {
  return {
    stdin: { contents, resolveDir: ROOT },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: node.replace(/^\D+/, 'node'),
    sourcemap: true,
    // Stacks name the file and line; the text is in the repository.
    sourcesContent: false,
    logLevel: 'warning',
  };
}

/** The files that a bundle is made of, from the root. */
async function filesOf(contents: string, node: string): Promise<Set<string>> {
  const { metafile } = await build({ ...options(contents, node), outfile: 'unused.js', write: false, metafile: true });
  return new Set(Object.keys(metafile.inputs).map((file) => path.resolve(file)));
}

/** Takes the modules that are in the core bundle from there, and notes which. */
function fromCore(core: Set<string>, taken: Set<string>): Plugin {
  return {
    name: 'from-core',
    setup(making) {
      making.onResolve({ filter: /^\./ }, ({ path: from, resolveDir, namespace }) => {
        if (namespace === NAMESPACE) return { path: `./${CORE}`, external: true };
        const [file] = [`${from}.ts`, path.join(from, 'index.ts')]
          .map((name) => path.resolve(resolveDir, name))
          .filter((name) => core.has(name));
        if (file === undefined) return undefined;
        const name = path.relative(ROOT, file).replaceAll(path.sep, '/');
        taken.add(name);
        return { path: name, namespace: NAMESPACE };
      });
      making.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path: name }) => ({
        contents: `module.exports = require('./${CORE}').modules[${JSON.stringify(name)}];`,
        resolveDir: ROOT,
      }));
    },
  };
}

/** Makes both files for the entry points: `index` is in the first, all others in the second. */
export async function bundle(entries: string[], dist: string, node: string): Promise<void> {
  const index = "export * as index from './lib/index';";
  const core = await filesOf(index, node);
  const taken = new Set<string>();
  const others = entries.filter((name) => name !== 'index');
  const contents = others.map((name) => `export * as ${name} from './lib/${name}';`).join('\n');
  await build({ ...options(contents, node), outfile: path.join(dist, TOOLS), plugins: [fromCore(core, taken)] });
  const shared = [...taken].map((name, number) => ({ name, alias: `module${number}` }));
  const lines = [
    index,
    ...shared.map(({ name, alias }) => `import * as ${alias} from './${name}';`),
    `export const modules = { ${shared.map(({ name, alias }) => `${JSON.stringify(name)}: ${alias}`).join(', ')} };`,
  ];
  await build({ ...options(lines.join('\n'), node), outfile: path.join(dist, CORE) });
}
