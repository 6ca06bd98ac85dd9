// A MySQL server that has no room for another lock rolls the whole transaction back with the statement that needs one.
import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { TransactionFailedError } from '../../lib';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage } from '../support/mysql-stage';
import { failure } from '../support/outcome';
import { describeUnless } from '../support/unless';

const HOLDERS = 300;

describeUnless(whyNoMariadb(), 'a transaction of a MySQL server whose lock table is full', () => {
  // The smallest pool that it takes: locks have three quarters of it.
  const stage = useMysqlStage({ 'innodb-buffer-pool-size': '6M', 'max-connections': String(HOLDERS + 50) });
  const holders: mysql.Connection[] = [];

  /** One lock for each page and transaction. */
  async function fill(): Promise<void> {
    await stage.rows('create table big (id int primary key, pad char(255), more char(255)) engine innodb');
    await stage.rows("insert into big select seq, 'x', 'x' from seq_1_to_10000");
    while (holders.length < HOLDERS) {
      const holder = await mysql.createConnection(stage.connection);
      holders.push(holder);
      await holder.query('begin');
      await holder.query('select count(*) from big lock in share mode');
      const [page] = await stage.rows("show global status like 'innodb_buffer_pool_pages_misc'");
      if (Number(page?.Value) > 290) return;
    }
  }
  after(() => {
    for (const holder of holders) holder.destroy();
  });

  it('is over, and what waits in its queue is not stored by itself', async function () {
    this.timeout(60_000);
    await fill();
    const db = stage.resettable('mysql2');
    let outcomes: PromiseSettledResult<unknown>[] = [];
    const error = await failure(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        const needing = trx.raw('insert into t (id) select seq from seq_100_to_5000');
        outcomes = await Promise.allSettled([needing, trx('t').insert({ id: 2 })]);
        await trx('t').insert({ id: 3 });
      }),
    );
    expect(outcomes[0]).to.have.nested.property('reason.errno', 1206);
    expect(outcomes[1]).to.have.property('status', 'rejected');
    expect(error).to.be.instanceOf(TransactionFailedError);
    expect(await stage.rows('select id from t')).to.be.empty;
  });
});
