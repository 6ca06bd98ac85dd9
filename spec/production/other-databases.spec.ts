// Hooks from anywhere, the limit and `outside` on MariaDB and SQLite.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit, afterRollback, type Resettable, resettable, type ResettableOptions } from '../../lib';
import { whyNoMariadb } from '../support/mariadb-server';
import { MysqlStage } from '../support/mysql-stage';
import { failure, never } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

interface Database {
  name: string;
  reason: string | undefined;
  open(): Promise<void>;
  close(): Promise<void>;
  /** A plain instance; it has a table `t`. */
  knex(): Promise<Knex>;
}

function sqlite(engine: (typeof SQLITE_ENGINES)[number]): Database {
  let folder = '';
  return {
    name: engine,
    reason: whyNot(engine),
    async open() {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-sqlite-'));
    },
    async close() {
      fs.rmSync(folder, { recursive: true, force: true });
    },
    async knex() {
      const config = { client: sqliteClient(engine), useNullAsDefault: true, pool: { min: 0, max: 4 } };
      const db = makeKnex({ filename: path.join(folder, `${Math.random()}.sqlite`) }, config);
      await db.schema.createTable('t', (table) => void table.integer('id').primary());
      return db;
    },
  };
}

function mariadb(client: string): Database {
  const stage = new MysqlStage();
  return {
    name: client,
    reason: whyNoMariadb(),
    open: () => stage.open(),
    close: () => stage.close(),
    async knex() {
      await stage.rows('delete from t');
      return makeKnex(stage.connection, { client });
    },
  };
}

for (const database of [mariadb('mysql2'), mariadb('mysql'), ...SQLITE_ENGINES.map(sqlite)]) {
  const { name, reason } = database;
  describeUnless(reason, `production features with ${name}`, () => {
    let plain: Knex;
    let told: string[];
    before(() => database.open());
    after(() => database.close());
    beforeEach(async () => {
      told = [];
      plain = await database.knex();
    });
    afterEach(() => plain?.destroy());
    const make = (options?: ResettableOptions): Knex & Resettable => resettable(plain, options);
    const ids = () => plain('t').orderBy('id').pluck<number[]>('id');
    const tell = (what: string) => () => void told.push(what);

    for (const kind of ['of a resettable instance', 'that knex began without the package'] as const) {
      it(`runs hooks in transactions ${kind}`, async () => {
        const db = kind === 'of a resettable instance' ? make() : plain;
        const trx = await db.transaction();
        await trx('t').insert({ id: 1 });
        await afterCommit(trx, tell('stored'));
        await trx.commit();
        const undone = db.transaction(async (other) => {
          await afterCommit(other, tell('never'));
          await afterRollback(other, tell('undone'));
          await other('t').insert({ id: 1 });
        });
        await failure(undone);
        expect([told, await ids()]).to.deep.equal([['stored', 'undone'], [1]]);
      });
    }

    it('ends a transaction that nobody ends', async () => {
      const db = make({ transactionTimeoutMillis: 100 });
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      await until('its connection is back', () => db.connectionState().connections.inUse === 0);
      expect(await failure(trx('t'))).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
      expect(await failure(db.transaction(() => never()))).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
      expect(await ids()).to.deep.equal([]);
    });

    it('asks outside of a block that fails', async () => {
      const db = make({ ambient: true });
      const block = db.atomic(async () => {
        // SQLite has one writer at a time: what is outside comes before the block's first write.
        await db.outside(() => db('t').insert({ id: 1 }));
        await db('t').insert({ id: 2 });
        throw new Error('no');
      });
      await failure(block);
      expect(await ids()).to.deep.equal([1]);
    });
  });
}
