// Schema changes that knex makes in several steps on SQLite, with a transaction of its own on the connection that the schema builder holds.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type Resettable, resettable, type ResettableOptions } from '../../lib';
import { failure } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { describeUnless } from '../support/unless';

const CHANGES: Record<string, (table: Knex.AlterTableBuilder) => unknown> = {
  'drops a column': (table) => table.dropColumn('note'),
  'alters a column': (table) => table.text('note').notNullable().defaultTo('none').alter(),
  'adds a foreign key': (table) => table.foreign('other').references('o.id'),
  'drops a foreign key': (table) => table.dropForeign('owner'),
  'sets a column nullable': (table) => table.setNullable('amount'),
  'drops nullable from a column': (table) => table.dropNullable('note'),
  'makes several steps at once': (table) => {
    table.dropColumn('note');
    table.string('more');
    table.setNullable('amount');
  },
};

for (const engine of SQLITE_ENGINES) {
  const reason = whyNot(engine);

  describeUnless(reason, `schema changes on SQLite by ${engine}`, () => {
    const instances: (Knex & Resettable)[] = [];
    let folder: string;
    let filename: string;

    beforeEach(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-sqlite-'));
      filename = path.join(folder, 'data.sqlite');
    });
    afterEach(async () => {
      for (const db of instances.splice(0)) await db.destroy();
      fs.rmSync(folder, { recursive: true });
    });

    async function make(options?: ResettableOptions): Promise<Knex & Resettable> {
      const config = { client: sqliteClient(engine), useNullAsDefault: true, acquireConnectionTimeout: 2000 };
      const plain = makeKnex({ filename }, { ...config, pool: { min: 0, max: 1 } });
      const db = resettable(plain, options);
      instances.push(db);
      await db.schema.createTable('o', (table) => table.integer('id').primary());
      await db.schema.createTable('t', (table) => {
        table.integer('id').primary();
        table.integer('amount').notNullable();
        table.string('note');
        table.integer('owner').references('o.id');
        table.integer('other');
      });
      await db('o').insert({ id: 1 });
      await db('t').insert({ id: 1, amount: 5, note: 'kept', owner: 1 });
      return db;
    }

    const schemaOf = (db: Knex) => db('sqlite_master').where({ name: 't' }).pluck('sql') as Promise<string[]>;
    const change = (db: Knex, alter: (table: Knex.AlterTableBuilder) => unknown) =>
      db.schema.alterTable('t', (table) => void alter(table));

    for (const [title, alter] of Object.entries(CHANGES)) {
      it(`a sandbox ${title}, and undoes it`, async () => {
        const db = await make();
        const before = await schemaOf(db);
        await db.sandbox(async () => {
          await change(db, alter);
          expect(await schemaOf(db)).not.to.deep.equal(before);
          expect(await db('t').pluck('amount')).to.deep.equal([5]);
        });
        expect(await schemaOf(db)).to.deep.equal(before);
        expect(await db('t').pluck('note')).to.deep.equal(['kept']);
      });

      it(`a transaction in a sandbox ${title}`, async () => {
        const db = await make();
        const before = await schemaOf(db);
        await db.sandbox(() =>
          db.transaction(async (trx) => {
            await change(trx, alter);
            expect(await schemaOf(trx)).not.to.deep.equal(before);
            await change(db, (table) => table.string('beside'));
          }),
        );
        expect(await schemaOf(db)).to.deep.equal(before);
      });

      it(`a block of an ambient instance ${title}, and undoes it`, async () => {
        const db = await make({ ambient: true });
        const before = await schemaOf(db);
        const thrown = await failure(
          db.atomic(async () => {
            await change(db, alter);
            expect(await schemaOf(db)).not.to.deep.equal(before);
            throw new Error('undo');
          }),
        );
        expect(thrown.message).to.equal('undo');
        expect(await schemaOf(db)).to.deep.equal(before);
      });

      it(`a migration without a transaction ${title}`, async () => {
        const db = await make();
        const before = await schemaOf(db);
        const migration = {
          config: { transaction: false },
          up: async (knex: Knex) => {
            await change(resettable(knex), alter);
          },
          down: () => Promise.resolve(),
        };
        await db.migrate.latest({
          migrationSource: {
            getMigrations: () => Promise.resolve(['one']),
            getMigrationName: (name: string) => name,
            getMigration: () => Promise.resolve(migration),
          },
        });
        expect(await schemaOf(db)).not.to.deep.equal(before);
        expect(await db('t').pluck('amount')).to.deep.equal([5]);
      });
    }

    it('a sandbox rebuilds a table that rows of another one refer to', async () => {
      const db = await make();
      await db.raw('pragma foreign_keys = on');
      await db.sandbox(async () => {
        await db.schema.alterTable('o', (table) => void table.string('more'));
        await db.schema.alterTable('o', (table) => void table.dropColumn('more'));
        expect(await db('t').pluck('owner')).to.deep.equal([1]);
        expect(await db('o').pluck('id')).to.deep.equal([1]);
      });
    });

    it('a change that fails in a sandbox leaves the table as it was, and the sandbox usable', async () => {
      const db = await make();
      await db.sandbox(async () => {
        const before = await schemaOf(db);
        await db('t').insert({ id: 2, amount: 6 });
        expect(await failure(change(db, (table) => table.dropNullable('note')))).to.have.property('message');
        expect(await schemaOf(db)).to.deep.equal(before);
        expect(await db('t').pluck('id')).to.deep.equal([1, 2]);
        await change(db, (table) => table.setNullable('amount'));
      });
    });

    it('changes beside each other and beside queries and transactions take their turns', async () => {
      const db = await make();
      await db.sandbox(async () => {
        await Promise.all([
          change(db, (table) => table.setNullable('amount')),
          db('t').insert({ id: 2, amount: 1 }),
          change(db, (table) => table.string('more')),
          db.transaction((trx) => trx('t').insert({ id: 3, amount: 1 })),
          change(db, (table) => table.dropColumn('note')),
        ]);
        expect(await db('t').pluck('id')).to.deep.equal([1, 2, 3]);
        expect((await schemaOf(db))[0])
          .to.include('more')
          .and.not.to.include('note');
      });
    });
  });
}
