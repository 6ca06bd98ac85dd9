// The package as it is built: few files of code behind all entry points, with the names that lib/ has.
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type * as Library from '../lib';
import type * as Mocha from '../lib/mocha';
import { buildCode } from '../script/build';
import { freshDatabase } from './support/database';
import { makeKnex } from './support/quiet-knex';

const ROOT = path.resolve(__dirname, '..');
const run = promisify(execFile);

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

  it('has hooks and methods without a written parameter, so that vitest takes them as hooks', async () => {
    const { resettable } = load(dist, 'index') as unknown as typeof Library;
    const { resetHooks } = load(dist, 'mocha') as unknown as typeof Mocha;
    const db = resettable(makeKnex({ host: '127.0.0.1', port: 1 }));
    const { resetConnection, openSandbox, connectionState } = db;
    for (const each of [resetConnection, openSandbox, connectionState, ...Object.values(resetHooks(db))]) {
      expect(Function.prototype.toString.call(each)).to.match(/^[^(]*\(\)/);
      expect(each).to.have.lengthOf(0);
    }
    await db.destroy();
  });

  it('has renamed no error', () => {
    for (const [key, value] of Object.entries(load(dist, 'index'))) {
      if ('code' in (value as object)) expect((value as { name: string }).name).to.equal(key);
    }
  });

  it('loads a driver of another database when an instance uses it', () => {
    const program = `
      const loaded = () => Object.keys(require.cache).map((file) => require('node:path').basename(file));
      const { resettable } = require(${JSON.stringify(path.join(dist, 'index.js'))});
      const { default: knex } = require('knex');
      const atFirst = loaded();
      for (const client of ['pg', 'mysql2']) resettable(knex({ client, connection: { host: '127.0.0.1', port: 1 } }));
      console.log(JSON.stringify([atFirst, loaded()].map((files) => ['mysql.js', 'sqlite.js'].filter((name) => files.includes(name)))));
    `;
    const [atFirst, used] = JSON.parse(execFileSync(process.execPath, ['--eval', program], { cwd: ROOT }).toString());
    expect(atFirst).to.deep.equal([]);
    expect(used).to.deep.equal(['mysql.js']);
  });

  it('loads transactions while the first connection is opened, and sandboxes with the first one', () => {
    const program = `
      const loaded = () => Object.keys(require.cache).map((file) => require('node:path').basename(file));
      const { resettable } = require(${JSON.stringify(path.join(dist, 'index.js'))});
      const { default: knex } = require('knex');
      const db = resettable(knex({ client: 'pg', connection: { host: '127.0.0.1', port: 1 }, log: { warn() {} } }));
      const steps = [() => db.resetConnection(), () => db.raw('select 1'), () => db.openSandbox()];
      (async () => {
        for (const step of steps) {
          const outcome = await step().then(() => 'done', ({ code }) => code);
          console.log(outcome, ...['connected.js', 'sandbox.js'].filter((name) => loaded().includes(name)));
        }
      })();
    `;
    const printed = execFileSync(process.execPath, ['--eval', program], { cwd: ROOT }).toString();
    expect(printed.trim().split('\n')).to.deep.equal([
      'done',
      'ECONNREFUSED connected.js',
      'ECONNREFUSED connected.js sandbox.js',
    ]);
  });

  it('loads the code of transactions at once where connections are open already', async () => {
    const database = await freshDatabase();
    const program = `
      const loaded = () => Object.keys(require.cache).some((file) => file.endsWith('connected.js'));
      const { resettable } = require(${JSON.stringify(path.join(dist, 'index.js'))});
      const { default: knex } = require('knex');
      (async () => {
        const db = knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0 } });
        await db.raw('select 1');
        const before = loaded();
        resettable(db);
        console.log(before, loaded());
        await db.destroy();
      })();
    `;
    try {
      const env = { ...process.env, DATABASE_URL: database.url };
      const printed = await run(process.execPath, ['--eval', program], { cwd: ROOT, env, timeout: 15_000 });
      expect(printed.stdout.trim()).to.equal('false true');
    } finally {
      await database.drop();
    }
  });

  it('opens connections where the code of transactions cannot be read, and reads it later', () => {
    const program = `
      const { resettable } = require(${JSON.stringify(path.join(dist, 'index.js'))});
      const { default: knex } = require('knex');
      const { _load } = require('node:module');
      require('node:module')._load = function (request, ...rest) {
        if (request === './connected.js') throw new Error('EMFILE');
        return _load.call(this, request, ...rest);
      };
      const db = resettable(knex({ client: 'pg', connection: { host: '127.0.0.1', port: 1 }, log: { warn() {} } }));
      const say = (work) => work().then(() => 'done', ({ code, message }) => code ?? message).then((text) => console.log(text));
      (async () => {
        await say(() => db.raw('select 1'));
        await say(async () => db.transaction(() => {}));
        require('node:module')._load = _load;
        await say(() => db.transaction(() => {}));
      })();
    `;
    const printed = execFileSync(process.execPath, ['--eval', program], { cwd: ROOT }).toString();
    expect(printed.trim().split('\n')).to.deep.equal(['ECONNREFUSED', 'EMFILE', 'ECONNREFUSED']);
  });

  it('ends what is open where no more of its files can be read: they may be gone, or no file descriptor be left', async () => {
    const database = await freshDatabase();
    const program = `
      const { resettable } = require(${JSON.stringify(path.join(dist, 'index.js'))});
      const { default: knex } = require('knex');
      const { _load } = require('node:module');
      require('node:module')._load = function (request, parent, ...rest) {
        if (parent?.filename?.startsWith(${JSON.stringify(dist)})) throw new Error('EMFILE');
        return _load.call(this, request, parent, ...rest);
      };
      const db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0 } }));
      const sleeping = () => db.raw('select pg_sleep(30)').catch(({ code }) => console.log(code));
      (async () => {
        await db.raw('select 1');
        const told = sleeping();
        console.log((await db.resetConnection()).closedConnections);
        await told;
        await db.raw('select 1');
        console.log((await db.resetConnection({ connections: 'recycle' })).recycledConnections);
        await db.destroy();
      })();
    `;
    try {
      const env = { ...process.env, DATABASE_URL: database.url };
      const printed = await run(process.execPath, ['--eval', program], { cwd: ROOT, env, timeout: 15_000 });
      expect(printed.stdout.trim().split('\n')).to.deep.equal(['ERR_RESET', '1', '1']);
    } finally {
      await database.drop();
    }
  });

  it('loads its own parts where modules are loaded afresh in between, as after jest.resetModules()', async () => {
    const database = await freshDatabase();
    const program = `
      const dist = ${JSON.stringify(dist)};
      const afresh = () => Object.keys(require.cache).forEach((file) => file.startsWith(dist) && delete require.cache[file]);
      const { resettable } = require(dist);
      const { default: knex } = require('knex');
      const db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL }));
      (async () => {
        await db.raw('create table t (id int)');
        afresh();
        await db.transaction((trx) => trx('t').insert({ id: 1 }));
        afresh();
        await db.sandbox(async () => {
          await db.atomic((trx) => trx('t').insert({ id: 2 }));
          console.log(await db('t').pluck('id'));
        });
        console.log(await db('t').pluck('id'));
        await db.destroy();
      })();
    `;
    try {
      const env = { ...process.env, DATABASE_URL: database.url };
      const { stdout } = await run(process.execPath, ['--eval', program], { cwd: ROOT, env, timeout: 15_000 });
      expect(stdout).to.equal('[ 1, 2 ]\n[ 1 ]\n');
    } finally {
      await database.drop();
    }
  });

  it('keeps the names of functions, which stacks show, and lines of which one can be printed', () => {
    const program = `
      try { require(${JSON.stringify(path.join(dist, 'index.js'))}).resettable(null); } catch ({ stack }) { console.log(stack); }
    `;
    const stack = execFileSync(process.execPath, ['--eval', program], { cwd: ROOT }).toString();
    expect(stack).to.match(/at \S*resettable .*index\.js/);
    const lines = fs.readFileSync(path.join(dist, 'index.js'), 'utf8').split('\n');
    expect(Math.max(...lines.map((line) => line.length))).to.be.below(1500);
  });

  it('has the text of lib/ in its source maps, since lib/ is not published', () => {
    const maps = fs.readdirSync(dist).filter((file) => file.endsWith('.js.map'));
    expect(maps).to.have.length.of.at.least(2);
    for (const file of maps) {
      const map = JSON.parse(fs.readFileSync(path.join(dist, file), 'utf8')) as Record<string, (string | null)[]>;
      expect(map.sourcesContent)
        .to.have.length(map.sources?.length ?? 0)
        .and.not.include(null);
    }
  });
});
