// Locks on MySQL and MariaDB that outlast every transaction: the next borrower of the connection does not inherit them.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage, type ResettableKnex } from '../support/mysql-stage';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `locks of a session through ${client}`, () => {
    const stage = useMysqlStage();
    let db: ResettableKnex;
    let other: ResettableKnex;
    beforeEach(async () => {
      await stage.rows('create table if not exists u (id int)');
      await stage.rows("grant reload on *.* to spec@'%'");
      db = stage.resettable(client, { pool: { min: 0, max: 1 } });
      other = stage.resettable(client);
      await other.raw('select 1');
    });

    const idOf = async (each: Knex) => (await each.raw('select connection_id() as id'))[0][0].id as number;
    /** Its connections are given back, and others can write what it could lock. */
    const expectUnlocked = async () => {
      await other.raw('set statement lock_wait_timeout = 1 for insert into t (id) values (1)');
      expect(await db('u').select()).to.be.empty;
      expect(await db('t').pluck('id')).to.deep.equal([1]);
    };

    for (const sql of [
      'lock tables t write',
      '/* mine */ LOCK TABLE t READ',
      'flush tables with read lock',
      'set statement lock_wait_timeout = 5 for flush tables with read lock',
    ])
      it(`are gone when the connection comes back: ${sql}`, async () => {
        await db.raw(sql);
        await expectUnlocked();
      });

    it('are gone when they were asked for without a callback', async () => {
      const raw = (await db.client.acquireConnection()) as { query(sql: string, done?: () => void): unknown };
      raw.query('lock tables t write');
      await new Promise<void>((resolve) => void raw.query('select 1', resolve));
      await db.client.releaseConnection(raw);
      await expectUnlocked();
    });

    it('are gone when a plain transaction has taken them', async () => {
      await db.transaction((trx) => trx.raw('lock tables t write'));
      await expectUnlocked();
    });

    for (const end of ['unlock tables', 'flush tables'])
      it(`leave the connection as it is when nothing is locked: ${end}`, async () => {
        const id = await idOf(db);
        const raw = (await db.client.acquireConnection()) as object;
        if (end !== 'flush tables') await db.raw('lock tables t write').connection(raw);
        await db.raw(end).connection(raw);
        await db.client.releaseConnection(raw);
        expect(await idOf(db)).to.equal(id);
      });

    it('are gone after a reset that recycles', async () => {
      const raw = (await db.client.acquireConnection()) as object;
      await db.raw('lock tables t write').connection(raw);
      const recycling = db.resetConnection({ connections: 'recycle' });
      await db.client.releaseConnection(raw);
      const { recycledConnections, closedConnections } = await recycling;
      expect(recycledConnections + closedConnections).to.equal(1);
      await expectUnlocked();
    });
  });
}
