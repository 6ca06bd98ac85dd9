// This package's own statements on PostgreSQL are read as they are meant, whatever type parsers the user has set.
import { expect } from 'chai';
import type { Knex } from 'knex';
import pg from 'pg';
import type { ResettableOptions } from '../../lib';
import { driverOf } from '../../lib/drivers';
import { factsOf } from '../../lib/knex/client-facts';
import { emptyTables, workerDatabase } from '../../lib/testing';
import { freshDatabase } from '../support/database';
import { failure } from '../support/outcome';
import { type StageConfig, useStage } from '../support/stage';

/** Parsers that make something else of each value. */
const ODD: Readonly<Record<number, (value: string) => unknown>> = {
  16: (value) => (value === 't' ? 'yes' : 'no'),
  20: BigInt,
  23: BigInt,
};

function setParsers(): () => void {
  const types = Object.keys(ODD).map(Number);
  const usual = types.map((type) => pg.types.getTypeParser(type));
  for (const type of types) pg.types.setTypeParser(type, ODD[type] as never);
  return () => {
    for (const [i, type] of types.entries()) pg.types.setTypeParser(type, usual[i] as never);
  };
}

for (const way of ['for all connections', 'for the connections of an instance'] as const) {
  describe(`with type parsers of the user’s, ${way}`, () => {
    const stage = useStage();
    let restore = () => {};

    before(async () => {
      await stage.database.query('create table t (id int primary key)');
      await stage.database.query(
        'create table pair (id int primary key, other int references pair deferrable initially deferred)',
      );
    });
    beforeEach(() => {
      if (way === 'for all connections') restore = setParsers();
    });
    afterEach(async () => {
      restore();
      await stage.database.query('truncate t');
    });

    function make(options: ResettableOptions = {}, config: StageConfig = {}) {
      const connection = config.through?.through(stage.database.connection) ?? stage.database.connection;
      const types = { getTypeParser: (type: number) => ODD[type] ?? String };
      const own = way === 'for all connections' ? connection : { ...connection, types };
      return stage.resettable({ connection: own as Knex.PgConnectionConfig }, options);
    }

    it('targetSessionAttrs tells a primary', async () => {
      for (const wanted of ['read-write', 'primary'] as const)
        await make({ targetSessionAttrs: wanted }).raw('select 1');
      for (const wanted of ['read-only', 'standby'] as const)
        expect(await failure(make({ targetSessionAttrs: wanted }).raw('select 1'))).to.match(/targetSessionAttrs/);
    });

    it('a sandbox checks deferred constraints', async () => {
      const db = make();
      const sandbox = db.sandbox(async () => {
        await db.raw('insert into pair values (1, 2)');
      });
      expect(await failure(sandbox)).to.include({ code: '23503' });
    });

    it('verifyCommit finds out what became of a COMMIT', async () => {
      const proxy = await stage.proxy();
      const db = make({}, { through: proxy });
      proxy.cutAfter(/COMMIT/);
      await db.atomic((trx) => trx.raw('insert into t values (1)') as never, { verifyCommit: true });
      expect(await stage.database.query('select from t')).to.have.lengthOf(1);
    });

    it('emptyTables empties what holds rows, the second time too', async () => {
      const db = make();
      for (const id of [1, 2]) {
        await db.raw(`insert into t values (${id})`);
        expect(await emptyTables(db)).to.deep.equal(['t']);
      }
    });

    it('a side connection names the sessions that it finds', async () => {
      const db = make();
      const raw = (await db.client.acquireConnection()) as { processID: number };
      const side = driverOf(factsOf(db.client)).openSideConnection?.(raw);
      expect(await side?.cancel?.([{ id: raw.processID, ageMillis: 0, sparesCommit: false }])).to.deep.equal([
        raw.processID,
      ]);
      await side?.close(1000);
      await db.client.releaseConnection(raw);
    });

    it('workerDatabase makes a database', async () => {
      const database = await freshDatabase(undefined, { createsDatabases: true });
      const types = { getTypeParser: (type: number) => ODD[type] ?? String };
      const connection = { connectionString: database.url, ...(way === 'for all connections' ? {} : { types }) };
      const made = await workerDatabase(
        { client: 'pg', connection },
        { prepare: (db) => db.schema.createTable('w', (table) => table.increments()), key: 'one' },
      );
      expect(made.name).to.include('knex');
      await made.drop();
      restore();
      await database.drop();
    });
  });
}
