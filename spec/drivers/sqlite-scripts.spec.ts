// Scripts that the user runs on a raw connection of SQLite, by its exec(): no answer says what they have begun and ended.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { BlockControlError } from '../../lib';
import { Instances, type ResettableKnex } from '../support/instances';
import { failure, outcome } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { describeUnless } from '../support/unless';

interface RawConnection {
  exec(sql: string, done?: (error: Error | null) => void): unknown;
}

for (const engine of SQLITE_ENGINES) {
  describeUnless(whyNot(engine), `a script through ${engine}`, () => {
    const instances = new Instances();
    let folder: string;
    let db: ResettableKnex;

    beforeEach(async () => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-sqlite-'));
      const connection = { filename: path.join(folder, 'db') };
      const config = { client: sqliteClient(engine), useNullAsDefault: true, pool: { min: 0, max: 1 } };
      db = instances.resettable(makeKnex(connection, config));
      await db.schema.createTable('t', (table) => table.integer('id').primary());
    });
    afterEach(async () => {
      await instances.end();
      fs.rmSync(folder, { recursive: true });
    });

    /** Runs it on a connection of the instance's or transaction's. */
    async function exec(of: Knex, sql: string): Promise<void> {
      const raw = (await of.client.acquireConnection()) as RawConnection;
      try {
        if (engine !== 'sqlite3') return void raw.exec(sql);
        await new Promise<void>((resolve, reject) => {
          raw.exec(sql, (error) => (error ? reject(error) : resolve()));
        });
      } finally {
        await of.client.releaseConnection(raw);
      }
    }
    const ids = () => db('t').pluck('id').orderBy('id');

    for (const [what, sql] of [
      [
        'fails behind its BEGIN',
        'pragma foreign_keys = off; begin; insert into t values (1); insert into nowhere values (1)',
      ],
      ['ends without its COMMIT', 'select 1; begin; insert into t values (1)'],
      ['has set a savepoint', 'insert into t values (1); delete from t; savepoint a; insert into t values (1)'],
    ] as const)
      it(`that ${what} leaves no transaction to the next borrower`, async () => {
        await outcome(exec(db, sql));
        await db('t').insert({ id: 2 });
        await db.transaction((trx) => trx('t').insert({ id: 3 }));
        expect(await ids()).to.deep.equal([2, 3]);
      });

    for (const kind of ['atomic', 'transaction'] as const) {
      for (const sql of [
        'select 1; commit',
        'select 1; rollback',
        'select 1; rollback; begin',
        'select 1; commit; savepoint a',
      ])
        it(`that is "${sql}" is noticed by ${kind}(), and nothing more is stored`, async () => {
          const error = await failure(
            db[kind](async (trx: Knex.Transaction) => {
              await trx('t').insert({ id: 1 });
              await exec(trx, sql);
              await failure(trx('t').insert({ id: 2 }));
            }),
          );
          expect(error).to.be.instanceOf(BlockControlError);
          expect(await ids()).not.to.include(2);
        });

      it(`that creates a trigger, and one that fails, leave ${kind}() as it is`, async () => {
        await db[kind](async (trx: Knex.Transaction) => {
          await exec(trx, 'create trigger a after insert on t begin delete from t where id = 9; end; select 1');
          await failure(exec(trx, 'insert into t values (1); select * from nowhere'));
          await failure(exec(trx, 'begin; insert into t values (3); commit'));
          await trx('t').insert({ id: 2 });
        });
        expect(await ids()).to.deep.equal([1, 2]);
      });
    }

    it('that has committed before it failed is not run again', async () => {
      let runs = 0;
      const block = db.atomic(
        async (trx) => {
          await trx('t').insert({ id: ++runs });
          await exec(trx, 'select 1; commit; select * from nowhere');
        },
        { retry: { attempts: 2, minDelayMillis: 0, when: () => true } },
      );
      await failure(block);
      expect(await ids()).to.deep.equal([1]);
    });
  });
}
