// README.md and docs/ as the specs see them: their text, their fenced blocks, and what the comment before each of these promises.
import fs from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(__dirname, '..', '..');

export interface Document {
  /** From the root of the package. */
  file: string;
  text: string;
}

export const documents: Document[] = [
  'README.md',
  ...fs
    .readdirSync(path.join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((file) => ({ file, text: fs.readFileSync(path.join(ROOT, file), 'utf8') }));

export interface Block {
  file: string;
  /** Of its opening fence. */
  line: number;
  language: string;
  code: string;
  /** What stands in the HTML comment right before it. */
  marker: string | undefined;
}

/** An example, and what is shown beside it. */
export interface Example extends Block {
  /** Undefined: it is only compiled. */
  mode: 'run' | 'run, prints' | undefined;
  /** The statements that it sends, one a line. */
  sql: Block | undefined;
  /** What it writes to the console. */
  prints: Block | undefined;
}

export function blocksOf({ file, text }: Document): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  let marker: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open && line === '```') {
      blocks.push(open);
      open = undefined;
      marker = undefined;
    } else if (open) {
      open.code += `${line}\n`;
    } else if (fence) {
      open = { file, line: index + 1, language: fence[1] ?? '', code: '', marker };
    } else {
      marker = /^<!-- (.*) -->$/.exec(line)?.[1] ?? (line === '' ? marker : undefined);
    }
  }
  if (open) throw new Error(`${file}:${open.line}: a block that is never closed`);
  return blocks;
}

/** The examples in TypeScript. */
export function examplesOf(blocks: Block[]): Example[] {
  return blocks.flatMap((block, index) => {
    if (block.language !== 'ts' || fileOf(block) !== undefined) return [];
    const mode = block.marker === 'run' || block.marker === 'run, prints' ? block.marker : undefined;
    const beside = besideExample(blocks.slice(index + 1));
    const sql = beside.find(({ language }) => language === 'sql');
    const prints = mode === 'run, prints' ? beside.find(({ language }) => language === 'text') : undefined;
    return [{ ...block, mode, sql, prints }];
  });
}

/** What is wrong with the comment before an example; undefined where it says that it runs, or why it does not. */
export function complaintOf({ marker, mode, sql, prints }: Example): string | undefined {
  if (!mode && !/^compile only: \w/.test(marker ?? '')) return 'it must be "run", "run, prints" or "compile only: why"';
  if (!mode && sql) return 'there is SQL beside the example, so it must be "run"';
  if (mode === 'run, prints' && !prints) return 'a text block with what it prints must follow';
  return undefined;
}

/** The program of this repository that prints a block. */
export function programOf({ marker }: Block): string | undefined {
  return /^printed by (\S+)$/.exec(marker ?? '')?.[1];
}

/** The file of this repository that a block is a part of. */
export function fileOf({ marker }: Block): string | undefined {
  return /^file (\S+)$/.exec(marker ?? '')?.[1];
}

function besideExample(later: Block[]): Block[] {
  const next = later.findIndex(({ language }) => language === 'ts');
  return next < 0 ? later : later.slice(0, next);
}

/** The statements of a transcript, without its comments; savepoints are called s1, s2, … in their order. */
export function statements(sql: string[]): string[] {
  const names = new Map<string, string>();
  return sql
    .map((line) => line.replace(/\s*--.*$/, '').trim())
    .filter((line) => line !== '')
    .map((line) =>
      line.replace(/\btrx\d+\b/g, (id) => {
        if (!names.has(id)) names.set(id, `s${names.size + 1}`);
        return names.get(id)!;
      }),
    );
}

/** What of a printed text is the same in every run: no figures, no places in files. */
export function sameEveryRun(text: string): string {
  return text
    .replace(/\([^()]*:\d+:\d+\)/g, '(…)')
    .replace(/\d+(\.\d+)?/g, '0')
    .replace(/[ \t]+$/gm, '')
    .trim();
}

/** The headings of a page, as links name them. */
export function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
