// SQLite where code has closed the connection by hand, as a test's cleanup does: nobody else gets it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { isFatal, type Resettable, resettable } from '../../lib';
import { failure } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { describeUnless } from '../support/unless';

interface Closable {
  close(callback?: () => void): void;
}

for (const engine of SQLITE_ENGINES) {
  describeUnless(whyNot(engine), `a connection of ${engine} that was closed by hand`, () => {
    let folder: string;
    let db: Knex & Resettable;

    const make = (filename: string) =>
      resettable(
        makeKnex({ filename }, { client: sqliteClient(engine), useNullAsDefault: true, pool: { min: 0, max: 1 } }),
      );
    const close = (raw: Closable) =>
      engine === 'sqlite3' ? new Promise<void>((resolve) => raw.close(resolve)) : Promise.resolve(raw.close());

    beforeEach(async () => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-closed-'));
      db = make(path.join(folder, 'db'));
      await db.schema.createTable('t', (table) => table.integer('id'));
      await db('t').insert({ id: 1 });
    });
    afterEach(async () => {
      await db.destroy();
      fs.rmSync(folder, { recursive: true });
    });

    it('is not lent again, where it is given back then', async () => {
      const raw = (await db.client.acquireConnection()) as Closable;
      await close(raw);
      await db.client.releaseConnection(raw);
      expect(await db('t').pluck('id')).to.deep.equal([1]);
      expect(await db.resetConnection()).to.include({ closedConnections: 1, forcedConnections: 0 });
    });

    it('is not lent again, where it was idle', async () => {
      const raw = (await db.client.acquireConnection()) as Closable;
      await db.client.releaseConnection(raw);
      await close(raw);
      expect(await db('t').pluck('id')).to.deep.equal([1]);
    });

    it('is replaced also where its database was in memory: its data is gone already', async () => {
      await db.destroy();
      db = make(':memory:');
      const raw = (await db.client.acquireConnection()) as Closable;
      await close(raw);
      await db.client.releaseConnection(raw);
      expect((await db.raw('select 1 as one'))[0]).to.deep.equal({ one: 1 });
    });

    it('is fatal for its transaction, and for no other', async () => {
      const error = await failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 2 });
          const raw = (await trx.client.acquireConnection()) as Closable;
          await close(raw);
          await trx.client.releaseConnection(raw);
          await trx('t');
        }),
      );
      expect(isFatal(error)).to.equal(true);
      expect(await db('t').pluck('id')).to.deep.equal([1]);
    });
  });
}
