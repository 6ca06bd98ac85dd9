// A connection that is given back twice: the second time is of no effect, and takes it from no one who has it by then.
import { expect } from 'chai';
import { outcome } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { connectionOf } from '../../lib/connection/connection';
import { nextTurn } from '../../lib/words/waiting';

describe('a connection that is given back twice', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(() => stage.database.query('delete from t'));
  let db: ResettableKnex;
  let connection: object;

  beforeEach(async () => {
    db = stage.resettable({ pool: { max: 1 } });
    connection = (await db.client.acquireConnection()) as object;
  });

  const giveBack = () => db.client.releaseConnection(connection) as Promise<void>;
  const stored = async () => {
    const rows = await stage.database.query<{ id: number }>('select id from t order by id');
    return rows.map(({ id }) => id);
  };
  /** Looks in each turn: what is sent in one is answered in the next at the earliest. */
  const rollbackRuns = async () => {
    for (let turn = 0; connectionOf(connection)?.isQuiet; turn++) {
      if (turn === 1000) throw new Error('no ROLLBACK was sent');
      await nextTurn();
    }
  };
  const queryWaits = () => until('the query waits', () => db.connectionState().connections.waiting === 1);

  it('stays with a transaction that has it by then', async () => {
    await giveBack();
    const trx = await db.transaction();
    await giveBack();
    const query = outcome(db('t').insert({ id: 1 }));
    await queryWaits();
    await trx('t').insert({ id: 2 });
    await trx.rollback();
    await query;
    expect(await stored()).to.deep.equal([1]);
  });

  it('stays with a block whose statement runs', async () => {
    await giveBack();
    await db.atomic(async (trx) => {
      const slow = outcome(trx.raw('select pg_sleep(0.1)'));
      await stage.running('pg_sleep');
      await giveBack();
      expect(await slow).not.to.have.property('error');
      await trx('t').insert({ id: 1 });
    });
    expect(await stored()).to.deep.equal([1]);
  });

  it('stays with a sandbox, and goes back at its end', async () => {
    await giveBack();
    const sandbox = await db.openSandbox();
    await giveBack();
    await db('t').insert({ id: 1 });
    await sandbox.close();
    await db('t').insert({ id: 2 });
    expect(await stored()).to.deep.equal([2]);
  });

  it('is cleaned once, and then lent to one borrower', async () => {
    await db.raw('begin').connection(connection);
    const slow = outcome(db.raw('select pg_sleep(30)').connection(connection));
    await Promise.all([giveBack(), giveBack(), slow]);
    const trx = await db.transaction();
    const query = outcome(db('t').insert({ id: 1 }));
    await queryWaits();
    await trx('t').insert({ id: 2 });
    await trx.rollback();
    await query;
    expect(await stored()).to.deep.equal([1]);
  });

  for (const [moment, wait] of [
    ['in the same turn', () => undefined],
    ['in the next turn', nextTurn],
    ['while the ROLLBACK runs', () => rollbackRuns()],
  ] as const) {
    it(`is cleaned once, and goes from one borrower to the next, when the second time is ${moment}`, async () => {
      await db.raw('begin').connection(connection);
      const first = giveBack();
      const ids = [1, 2, 3];
      const inserts = ids.map((id) => outcome(db.transaction((trx) => trx('t').insert({ id }))));
      await wait();
      await Promise.all([first, giveBack(), ...inserts]);
      expect(await stored()).to.deep.equal(ids);
      // None was closed for it.
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
      expect(await db.client.acquireConnection()).to.equal(connection);
      await giveBack();
    });
  }
});
