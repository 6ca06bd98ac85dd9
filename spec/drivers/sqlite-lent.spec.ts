// SQLite where one instance has lent its connection to another: what listens for the one stays when the other is done.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { type Resettable, resettable } from '../../lib';
import type { Knex } from 'knex';
import { makeKnex, whyNoConnectionPool } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { describeUnless } from '../support/unless';

for (const engine of SQLITE_ENGINES) {
  describeUnless(whyNot(engine) ?? whyNoConnectionPool(), `a connection of ${engine} that was lent`, () => {
    let folder: string;
    let owner: Knex & Resettable;
    let borrower: Knex & Resettable;

    beforeEach(async () => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-lent-'));
      const config = { client: sqliteClient(engine), useNullAsDefault: true };
      const filename = path.join(folder, 'db');
      owner = resettable(makeKnex({ filename }, { ...config, pool: { min: 0, max: 1 } }));
      const connectionPool = owner.client.pool as never;
      borrower = resettable(makeKnex(undefined as never, { ...config, connectionPool } as Knex.Config));
      await owner.schema.createTable('t', (table) => table.integer('id'));
      await borrower.transaction((trx) => trx('t').insert({ id: 1 }));
    });
    afterEach(async () => {
      await borrower.destroy();
      await owner.destroy();
      fs.rmSync(folder, { recursive: true });
    });

    it('keeps no transaction that its owner has begun by hand', async () => {
      await owner.raw('begin');
      await owner('t').insert({ id: 2 });
      expect(await owner.transaction((trx) => trx('t').pluck('id'))).to.deep.equal([1, 2]);
    });

    it('is closed by its owner at once', async () => {
      const report = await owner.resetConnection();
      expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
      // Where it does not hear that it is closed, it waits a third of its time: 1.7 s.
      expect(report.durationMillis).to.be.lessThan(1500);
    });
  });
}
