// The package as it is built: one file of code behind all entry points, with the names that lib/ has.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type * as Library from '../lib';
import type * as Mocha from '../lib/mocha';
import { buildCode } from '../script/build';
import { makeKnex } from './support/quiet-knex';

const ROOT = path.resolve(__dirname, '..');

describe('the built package', () => {
  let dist: string;
  let entries: string[];

  before(async () => {
    const caches = path.join(ROOT, 'node_modules', '.cache');
    fs.mkdirSync(caches, { recursive: true });
    dist = fs.mkdtempSync(path.join(caches, 'knex-reset-dist-'));
    entries = await buildCode(dist);
  });
  after(() => fs.rmSync(dist, { recursive: true }));

  const load = (folder: string, name: string) => require(path.join(folder, name)) as Record<string, unknown>;

  it('has in each entry point the names that lib/ has there', () => {
    expect(entries).to.include.members(['index', 'mocha', 'migrations']);
    for (const name of entries) {
      expect(Object.keys(load(dist, name))).to.have.members(Object.keys(load(path.join(ROOT, 'lib'), name)));
    }
  });

  it('has one instance of everything: what one entry point made resettable, the others know', async () => {
    const { resettable } = load(dist, 'index') as unknown as typeof Library;
    const { resetHooks } = load(dist, 'mocha') as unknown as typeof Mocha;
    const db = resettable(makeKnex({ host: '127.0.0.1', port: 1 }));
    expect(() => resetHooks(db)).not.to.throw();
    await db.destroy();
  });

  it('has renamed no error', () => {
    for (const [key, value] of Object.entries(load(dist, 'index'))) {
      if ('code' in (value as object)) expect((value as { name: string }).name).to.equal(key);
    }
  });
});
