// A connection whose answers and statements do not go together any more is never lent again.
import { expect } from 'chai';
import type { Client, Submittable } from 'pg';
import { nextTurn, outcome } from '../support/outcome';
import { useStage } from '../support/stage';

/** A dependency of pg-query-stream, which has no types of its own. */
const Cursor = require('pg-cursor') as new (
  sql: string,
) => Submittable & { read(rows: number, done: () => void): void; close(): Promise<void> };

type Raw = Client & { connection: { sync(): void } };

describe('a connection that is one answer behind', () => {
  const stage = useStage();

  async function answers(db: ReturnType<typeof stage.resettable>): Promise<unknown[]> {
    const heard: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const { rows } = await db.raw<{ rows: { i: number }[] }>(`select ${i} as i`);
      heard.push(rows?.[0]?.i);
    }
    return heard;
  }

  const ways: [name: string, work: (raw: Raw) => Promise<unknown>][] = [
    ['a Sync too many', async (raw) => raw.connection.sync()],
    [
      'a cursor that was closed before its rows were described',
      async (raw) => {
        const cursor = raw.query(new Cursor('select i from generate_series(1, 60) i'));
        cursor.read(100, () => {});
        await cursor.close();
      },
    ],
  ];
  for (const [name, work] of ways) {
    it(`is not lent to the next borrower, after ${name}`, async () => {
      const proxy = await stage.proxy();
      proxy.delayMillis = 10;
      const db = stage.resettable({ through: proxy, pool: { min: 0, max: 1 } });
      const raw = (await db.client.acquireConnection()) as Raw;
      await work(raw);
      await db.client.releaseConnection(raw);
      expect(await answers(db)).to.deep.equal([0, 1, 2, 3]);
      await nextTurn();
      expect(await answers(db)).to.deep.equal([0, 1, 2, 3]);
    });
  }

  it('is in step after statements of every kind, and stays open', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const pid = async () => (await db.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid')).rows[0].pid;
    const first = await pid();
    const each: [what: string, run: () => PromiseLike<unknown>][] = [
      ['bindings', () => db.raw('select ?::int as i', [1])],
      ['a script', () => db.raw('select 1; select 2')],
      ['an error', () => db.raw('select nope')],
      ['an error with bindings', () => db.raw('select ?::int / 0', [1])],
      ['an empty statement', () => db.raw('-- nothing')],
      ['a stream', () => read(250)],
      ['a stream that is left early', () => read(1)],
      ['a transaction', () => db.transaction((trx) => trx.raw('select ?::text', ['a']))],
      ['a transaction that fails', () => db.transaction((trx) => trx.raw('select nope'))],
      ['a statement that is cancelled', () => db.raw('set statement_timeout = 20; select pg_sleep(1)')],
    ];
    const read = async (rows: number) => {
      let left = rows;
      for await (const _row of db.raw('select i from generate_series(1, 250) i').stream()) if (--left === 0) break;
    };
    for (const [what, run] of each) {
      await outcome(run());
      expect(await pid(), what).to.equal(first);
    }
  });
});
