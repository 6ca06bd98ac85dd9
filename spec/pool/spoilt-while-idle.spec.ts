// A connection that somebody goes on using after giving it back: it is judged by one rule, whichever way the next borrower gets one.
import { expect } from 'chai';
import type { Client } from 'pg';
import { resettable } from '../../lib';
import { type ResettableKnex, useStage } from '../support/stage';
import { makeKnex } from '../support/quiet-knex';
import { sqliteClient } from '../support/sqlite-engines';
import { until } from '../support/until';

interface Answer {
  rows: { pid: number; began: boolean }[];
}

/** `began`: whether the backend was in a transaction before this statement. */
const LOOK = 'select pg_backend_pid() as pid, now() <> statement_timestamp() as began';

describe('an idle connection in which a transaction was begun by hand', () => {
  const stage = useStage();

  async function spoil(db: ResettableKnex): Promise<number> {
    const raw = (await db.client.acquireConnection()) as Client & { processID: number };
    await db.client.releaseConnection(raw);
    await raw.query('BEGIN');
    return raw.processID;
  }

  const pool = { min: 0, max: 1 };
  const ways: [title: string, make: () => ResettableKnex][] = [
    ['lends at once', () => stage.resettable({ pool })],
    [
      'lends by tarn, since somebody listens',
      () => {
        const db = stage.resettable({ pool });
        db.client.pool.on('acquireSuccess', () => {});
        return db;
      },
    ],
  ];
  for (const [title, make] of ways) {
    it(`is closed and not lent by a pool that ${title}`, async () => {
      const db = make();
      const spoilt = await spoil(db);
      const { rows } = (await db.raw(LOOK)) as Answer;
      expect(rows[0]?.pid).not.to.equal(spoilt);
      await until('its backend is gone', async () => {
        const backends = await stage.database.backends();
        return backends.every(({ pid }) => pid !== spoilt);
      });
      expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
    });
  }

  it('keeps its data when it is an in-memory database of SQLite, and is rolled back', async () => {
    const db = stage.adopt(
      resettable(makeKnex(':memory:', { client: sqliteClient('libsql'), useNullAsDefault: true })),
    );
    await db.schema.createTable('t', (table) => table.integer('i'));
    const raw = (await db.client.acquireConnection()) as { exec(sql: string): void };
    await db.client.releaseConnection(raw);
    raw.exec('begin');
    raw.exec('insert into t values (1)');
    await db('t').insert({ i: 2 });
    expect(await db('t').pluck('i')).to.deep.equal([2]);
  });
});
