// The examples of the README and docs/ as files: type-checked by the compiler, and loaded, with the package's names standing for lib/.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { NAMES, type Prelude } from './prelude';
import { type Example, ROOT } from './readme-text';

/** What package.json exports, and where that is in lib/. */
const ENTRIES: Record<string, string> = {
  'knex-reset': 'lib/index',
  'knex-reset/mocha': 'lib/mocha',
  'knex-reset/testing': 'lib/testing',
  'knex-reset/migrations': 'lib/migrations',
};

/** What its file is called. */
export function nameOf({ file, line }: Example): string {
  return `${file.replaceAll(/\W/g, '-')}-line-${line}`;
}

/** A folder of files, which no checkout shows and no other tool reads, until `remove()`. */
export class ExampleFiles {
  readonly #folder: string;

  constructor(examples: Example[]) {
    // Not in node_modules: what is there comes last in stacks.
    const caches = path.join(ROOT, '.cache');
    fs.mkdirSync(caches, { recursive: true });
    this.#folder = fs.mkdtempSync(path.join(caches, 'readme-'));
    // What an example's own project has.
    const db = `import type { Prelude } from '${this.#from('spec/readme/prelude')}';\nexport declare const db: Prelude['db'];\n`;
    fs.writeFileSync(path.join(this.#folder, 'db.ts'), db);
    for (const example of examples) fs.writeFileSync(this.#file(example), this.#source(example));
    fs.writeFileSync(
      path.join(this.#folder, 'tsconfig.json'),
      JSON.stringify({
        extends: this.#from('tsconfig.json'),
        compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
        files: examples.map((example) => path.basename(this.#file(example))),
        include: [],
      }),
    );
  }

  /** What the compiler has against each example, by its name, and against the rest; empty where all are well. */
  async check(): Promise<Map<string, string[]>> {
    const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
    const child = spawn(process.execPath, [tsc, '--pretty', 'false', '-p', this.#folder], { cwd: this.#folder });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    const complaints = new Map<string, string[]>();
    for (const line of output.split('\n').filter((text) => /error TS/.test(text))) {
      const example = /([\w-]+-line-\d+)\.ts/.exec(line)?.[1] ?? '';
      complaints.set(example, [...(complaints.get(example) ?? []), line]);
    }
    if (code !== 0 && complaints.size === 0) throw new Error(`tsc ended with ${code}:\n${output}`);
    return complaints;
  }

  /** Runs it. Resolves with the instance that it used, which may be one of its own. */
  async run(example: Example, prelude: Prelude): Promise<{ db: Prelude['db'] }> {
    const module = require(this.#file(example)) as { block(given: Prelude): Promise<{ db: Prelude['db'] }> };
    return module.block(prelude);
  }

  remove(): void {
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(example: Example): string {
    return path.join(this.#folder, `${nameOf(example)}.ts`);
  }

  #from(name: string): string {
    return path.relative(this.#folder, path.join(ROOT, name)).replaceAll(path.sep, '/');
  }

  /** Its statements in a function, for `await`; what has exports stays a module. */
  #source({ code, mode }: Example): string {
    const declared = NAMES.filter((name) => !new RegExp(`\\b(const|let|function|import \\{) ${name}\\b`).test(code));
    const type = `import type { Prelude } from '${this.#from('spec/readme/prelude')}';`;
    const lines = code
      .replaceAll(/from '(knex-reset[^']*)'/g, (given, name: string) => {
        const entry = ENTRIES[name];
        return entry ? `from '${this.#from(entry)}'` : given;
      })
      .replace(/import knex(?:, (\{[^}]*\}))? from 'knex'/, (_, named?: string) => {
        const types = named ? `import type ${named.replaceAll('type ', '')} from 'knex';\n` : '';
        return `${types}import knex from '${this.#from('spec/readme/example-knex')}'`;
      });
    if (/^export /m.test(lines) && !mode) {
      return `${[type, ...declared.map((name) => `declare const ${name}: Prelude['${name}'];`)].join('\n')}\n${lines}`;
    }
    const imports = /^import [^;]*;\n/gm;
    const hoisted = [type, ...(lines.match(imports) ?? [])].join('\n');
    const body = lines.replaceAll(imports, '');
    return `${hoisted}\nexport async function block({ ${declared.join(', ')} }: Prelude) {\n${body}\nreturn { db };\n}\n`;
  }
}
