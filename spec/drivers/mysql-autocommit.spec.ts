// Autocommit that a borrower has turned off on MySQL: what the next one is told was stored would be rolled back.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage } from '../support/mysql-stage';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `autocommit through ${client}`, () => {
    const stage = useMysqlStage();
    const pool = { min: 0, max: 1 };
    const idOf = async (each: Knex) => (await each.raw('select connection_id() as id'))[0][0].id as number;
    const ids = async () => (await stage.rows('select id from t order by id')).map(({ id }) => id as number);

    const BORROWERS: [what: string, borrow: (db: Knex) => Promise<unknown>][] = [
      ['a plain transaction', (db) => db.transaction((trx) => trx.raw('set autocommit = 0'))],
      ['the very first query', (db) => db.raw('set @@session.autocommit = off')],
      ['a query after others', async (db) => (await db('t').del(), db.raw('set autocommit = 0'))],
    ];
    for (const [what, borrow] of BORROWERS)
      it(`is on again for the next borrower when ${what} has turned it off`, async () => {
        const db = stage.resettable(client, { pool });
        await borrow(db);
        await db('t').insert({ id: 1 });
        expect(await ids()).to.deep.equal([1]);
      });

    it('keeps its connection where it was turned on again', async () => {
      const db = stage.resettable(client, { pool });
      const id = await idOf(db);
      await db.transaction(async (trx) => {
        await trx.raw('set autocommit = 0');
        await trx.raw('set autocommit = 1');
      });
      expect(await idOf(db)).to.equal(id);
    });

    it('keeps its connection where it is off from the beginning, also after a reset that recycles', async () => {
      const afterCreate = (raw: { query(sql: string, done: unknown): void }, done: unknown) =>
        raw.query('set autocommit = 0', done);
      const db = stage.resettable(client, { pool: { ...pool, afterCreate } });
      const id = await idOf(db);
      const insert = (each: number) => db.transaction((trx) => trx('t').insert({ id: each }));
      await insert(1);
      expect(await idOf(db)).to.equal(id);
      await until('it is rolled back', () => db.connectionState().connections.idle === 1);
      expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 1 });
      await insert(2);
      expect(await idOf(db)).to.equal(id);
      expect(await ids()).to.deep.equal([1, 2]);
    });
  });
}
