// A temporary copy of the package with one mutation in it.
import fs from 'node:fs';
import path from 'node:path';
import type { Mutant } from './mutants';

const root = path.resolve(__dirname, '../../..');

export function sourceOf({ file }: Mutant): string {
  return fs.readFileSync(path.join(root, 'lib', file), 'utf8');
}

/** @returns the copy's folder, and what removes it */
export function mutate(mutant: Mutant): { lib: string; remove: () => void } {
  const source = sourceOf(mutant);
  if (!source.includes(mutant.anchor)) throw new Error(`lib/${mutant.file} has no "${mutant.anchor}" any more`);
  const folder = fs.mkdtempSync(path.join(root, '.mutant-'));
  const lib = path.join(folder, 'lib');
  fs.cpSync(path.join(root, 'lib'), lib, { recursive: true });
  fs.writeFileSync(
    path.join(lib, mutant.file),
    source.replace(mutant.anchor, () => mutant.mutation),
  );
  return { lib, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}
