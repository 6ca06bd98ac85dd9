// execute() of mysql2 on a raw connection: a prepared statement without a callback is a statement like any other.
import type { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage, type ResettableKnex } from '../support/mysql-stage';
import { outcome } from '../support/outcome';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

interface Raw {
  execute(sql: string, values?: unknown[]): EventEmitter;
  query(sql: string, done: (error: unknown, rows: unknown) => void): unknown;
}

/** Resolves with its rows when it has ended. */
function rowsOf(command: EventEmitter): Promise<unknown[]> {
  const rows: unknown[] = [];
  command.on('result', (row) => rows.push(row));
  return new Promise((resolve, reject) => {
    command.once('error', reject).once('end', () => resolve(rows));
  });
}

describeUnless(reason, 'execute() of mysql2 without a callback', () => {
  const stage = useMysqlStage();
  let db: ResettableKnex;
  let raw: Raw;
  beforeEach(async () => {
    db = stage.resettable('mysql2', { pool: { min: 0, max: 1 } });
    raw = (await db.client.acquireConnection()) as Raw;
  });
  const giveBack = () => db.client.releaseConnection(raw) as Promise<void>;

  it('is answered in its turn, and one that fails does not stop the next', async () => {
    const asked = [
      rowsOf(raw.execute('select ? + 0 as one', [1])),
      rowsOf(raw.execute('select nothing from nowhere')),
      new Promise((resolve) => raw.query('select 2 as two', (_, rows) => resolve(rows))),
      rowsOf(raw.execute('insert into t (id) values (?)', [3])),
      rowsOf(raw.execute('select id from t')),
    ];
    const [one, failed, two, , three] = await Promise.all(asked.map((each) => outcome(each)));
    expect([one?.value, two?.value, three?.value]).to.deep.equal([[{ one: 1 }], [{ two: 2 }], [{ id: 3 }]]);
    expect(failed?.error).to.include({ code: 'ER_NO_SUCH_TABLE' });
    expect(() => raw.execute('select ?', [undefined])).to.throw(TypeError);
    await giveBack();
    expect(await db('t').pluck('id')).to.deep.equal([3]);
  });

  it('is stopped by a reset, which counts it', async () => {
    const running = outcome(rowsOf(raw.execute('select sleep(30)')));
    await stage.running('sleep(30)');
    expect(await db.resetConnection()).to.include({ abortedQueries: 1, forcedConnections: 0 });
    expect((await running).error).to.be.instanceOf(ResetError);
    expect(await stage.processes()).to.be.empty;
    await giveBack();
  });

  it('that still runs keeps its connection from the next borrower', async () => {
    const running = outcome(rowsOf(raw.execute('select sleep(30)')));
    await stage.running('sleep(30)');
    await giveBack();
    await db('t').insert({ id: 1 });
    await running;
    expect(await stage.rows('select id from t')).to.deep.equal([{ id: 1 }]);
  });

  it('by which a transaction was begun is rolled back when its connection comes back', async () => {
    await rowsOf(raw.execute('start transaction'));
    await giveBack();
    await db('t').insert({ id: 1 });
    expect(await stage.transactions()).to.equal(0);
    expect(await stage.rows('select id from t')).to.deep.equal([{ id: 1 }]);
  });

  it('is stopped by the time limit of the block that it is in', async () => {
    await giveBack();
    const error = await outcome(
      db.atomic(
        async (trx) => {
          const own = (await trx.client.acquireConnection()) as Raw;
          await rowsOf(own.execute('insert into t (id) values (1)'));
          const running = rowsOf(own.execute('select sleep(30)'));
          await trx.client.releaseConnection(own);
          await running;
        },
        { timeoutMillis: 200 },
      ),
    );
    expect(error.error).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
    await until('it is stopped', async () => (await stage.processes()).every(({ info }) => !info?.includes('sleep')));
    expect(await stage.rows('select id from t')).to.be.empty;
  });
});
