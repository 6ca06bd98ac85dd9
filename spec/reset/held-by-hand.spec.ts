// Connections that somebody took by hand: nobody can know when they are given back, or what is asked on them until then.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure, outcome, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('a connection that is held by hand', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int primary key)'));
  let db: ResettableKnex;
  let connection: object;

  beforeEach(async () => {
    db = stage.resettable({ pool: { max: 1 } });
    connection = (await db.client.acquireConnection()) as object;
  });

  const insertOn = (held: object, id: number) => db('t').connection(held).insert({ id });

  /** What may be under way on it. Resolves with what it comes to. */
  const uses: [what: string, use: () => Promise<PromiseLike<{ error?: unknown }>[]>][] = [
    ['with nothing on it', async () => []],
    [
      'with a query running on it',
      async () => {
        const query = outcome(db.raw('select pg_sleep(30)').connection(connection));
        await stage.running('pg_sleep');
        return [query];
      },
    ],
    [
      'with a transaction on it',
      async () => {
        const trx = await db.transaction(undefined, { connection });
        await trx('t').insert({ id: 1 });
        return [outcome(trx.executionPromise)];
      },
    ],
    [
      'with a query running in a transaction on it',
      async () => {
        const work = async (trx: Knex.Transaction) => void (await trx.raw('select pg_sleep(30)'));
        const transaction = outcome(db.transaction(work, { connection }));
        await stage.running('pg_sleep');
        return [transaction];
      },
    ],
  ];

  for (const [what, use] of uses) {
    describe(what, () => {
      it("is closed by connections: 'recycle', and its queries reject", async () => {
        const [old] = await stage.database.backends();
        const told = await use();
        const report = await db.resetConnection({ connections: 'recycle' });
        expect(report).to.include({ recycledConnections: 0, closedConnections: 1 });
        expect(await stage.database.backends()).not.to.deep.include(old);
        for (const { error } of await Promise.all(told)) expect(error).to.be.instanceOf(ResetError);
      });

      it('refuses a late query with ResetError, and sends nothing', async () => {
        const told = await use();
        await db.resetConnection({ connections: 'recycle' });
        const next = await db.transaction();
        expect(await failure(insertOn(connection, 77))).to.be.instanceOf(ResetError);
        expect(await next('t')).to.deep.equal([]);
        await next.commit();
        expect(await stage.database.query('select * from t')).to.deep.equal([]);
        await Promise.all(told);
      });

      it('does not take the connection from the next borrower when it comes back late', async () => {
        const told = await use();
        await db.resetConnection({ connections: 'recycle' });
        const next = await db.transaction();
        await db.client.releaseConnection(connection);
        const other = watch(db.raw('select 1'));
        await until('it waits', () => db.connectionState().connections.waiting === 1);
        expect(db.connectionState().connections).to.include({ idle: 0, inUse: 1 });
        await next('t').insert({ id: 2 });
        expect(other.state).to.equal('pending');
        await next.rollback();
        await until('it is served', () => other.state === 'resolved');
        expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
        await Promise.all(told);
      });
    });
  }

  it('may be released after destroy()', async () => {
    db = stage.resettable({}, { timeoutMillis: 50 });
    connection = (await db.client.acquireConnection()) as object;
    await db.destroy();
    await db.client.releaseConnection(connection);
    await db.client.releaseConnection(connection);
    await db.resetConnection();
    await db.raw('select 1');
    expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
  });
});
