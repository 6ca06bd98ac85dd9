// `npm run build`: makes dist/ of lib/. The code goes into few files, so that the entry points share one instance of everything and loading
// is quick; each other entry point than `index` is a few lines that pass on its names. The declarations are the compiler's, without those that are not needed.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { bundle } from './bundle';
import { TOOLS } from './bundle-homes';

const ROOT = path.resolve(__dirname, '..');

interface Manifest {
  exports: Record<string, string | { default: string }>;
  engines: { node: string };
}

/** `index`, `mocha`, …: what package.json exports. */
function entryNames({ exports }: Manifest): string[] {
  return Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : path.parse(target.default).name,
  );
}

/** Assignments that Node's lexer finds, so that `import { atomic } from 'knex-reset'` works. */
function entry(name: string, names: string[]): string {
  return [
    '"use strict";',
    'Object.defineProperty(exports, "__esModule", { value: true });',
    `const { ${name} } = require("./${TOOLS}");`,
    ...names.map((each) => `exports.${each} = ${name}.${each};`),
    '',
  ].join('\n');
}

/** The declaration files that a file needs, itself included. */
function needed(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, from = ''] of fs.readFileSync(file, 'utf8').matchAll(/(?:from |import\()['"](\.[^'"]+)['"]/g)) {
    needed(path.resolve(path.dirname(file), `${from}.d.ts`), found);
  }
  return found;
}

function removeOthers(folder: string, kept: Set<string>): void {
  for (const item of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, item.name);
    if (item.isDirectory()) {
      removeOthers(file, kept);
      if (fs.readdirSync(file).length === 0) fs.rmdirSync(file);
    } else if (file.endsWith('.d.ts') && !kept.has(file)) {
      fs.rmSync(file);
    }
  }
}

/** Without declarations. Resolves with the names of the entry points. */
export async function buildCode(dist: string): Promise<string[]> {
  const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Manifest;
  const entries = entryNames(manifest);
  await bundle({ entries, dist, node: manifest.engines.node });
  for (const name of entries) {
    if (name === 'index') continue; // The core itself.
    const code = require(path.join(dist, TOOLS)) as Record<string, object>;
    fs.writeFileSync(path.join(dist, `${name}.js`), entry(name, Object.keys(code[name] ?? {})));
  }
  return entries;
}

async function buildAll(dist: string): Promise<void> {
  fs.rmSync(dist, { recursive: true, force: true });
  const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', path.join(ROOT, 'tsconfig.build.json'), '--outDir', dist], {
    stdio: 'inherit',
  });
  const entries = await buildCode(dist);
  const kept = entries.flatMap((name) => [...needed(path.join(dist, `${name}.d.ts`))]);
  removeOthers(dist, new Set(kept));
}

if (require.main === module) {
  buildAll(path.join(ROOT, 'dist')).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
