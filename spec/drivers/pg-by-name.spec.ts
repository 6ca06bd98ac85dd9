// A dialect that extends knex's for PostgreSQL and has its name, but neither a class of clients nor connections of `pg`: as knex-pglite is one.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { failure, millisOf } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

describe('a dialect with the name of pg and other connections', () => {
  const stage = useStage();
  let only: { client: Client } | undefined;
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(async () => {
    await stage.database.query('truncate t');
    db = make();
  });
  afterEach(async () => {
    await only?.client.end();
    only = undefined;
  });

  /** It has one connection for good, which it never closes. */
  function make(): ResettableKnex {
    const Pg = stage.knex().client.constructor as new (...args: unknown[]) => object;
    class Lite extends Pg {
      _driver() {}
      async acquireRawConnection() {
        if (!only) {
          only = { client: new Client(stage.database.url) };
          await only.client.connect();
        }
        return only;
      }
      async destroyRawConnection() {}
      async _query(connection: { client: Client }, statement: { sql: string; bindings: unknown[]; response: unknown }) {
        statement.response = await connection.client.query(statement.sql, statement.bindings);
        return statement;
      }
    }
    return stage.resettable({ client: Lite as unknown as typeof Knex.Client, pool: { min: 0, max: 1 } });
  }

  it('has blocks, truthful transactions and sandboxes', async () => {
    await db.atomic(async (trx) => {
      await trx('t').insert({ id: 1 });
      expect(await failure(trx.atomic((inner) => inner('t').insert({ id: 1 })))).to.include({ code: '23505' });
    });
    const swallowing = db.transaction(async (trx) => {
      await trx('t').insert({ id: 2 });
      await trx('t')
        .insert({ id: 1 })
        .catch(() => {});
    });
    expect(await failure(swallowing)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    await db.sandbox(() => db('t').insert({ id: 3 }));
    expect(await db('t').pluck('id')).to.deep.equal([1]);
  });

  it('takes readOnly, as BEGIN has it on PostgreSQL', async () => {
    const writing = db.atomic((trx) => trx('t').insert({ id: 1 }), { readOnly: true });
    expect(await failure(writing)).to.include({ code: '25006' });
  });

  it('says at once, after a reset, that its connection is one that was closed', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ id: 1 });
    expect(await db.resetConnection()).to.include({ closedConnections: 1 });
    let error: Error | undefined;
    const asking = async () => {
      error = await failure(db('t'));
    };
    expect(await millisOf(asking())).to.be.below(3000);
    expect(error?.message).to.match(/one that was closed before/);
  });
});

/** As mock-knex does it, which gives an instance a connection of its own making, and answers what is asked on it. */
describe('a client whose acquireConnection() is replaced, and lends what is no connection', () => {
  const stage = useStage();
  const clients: [client: string, make: () => ResettableKnex][] = [
    ['pg', () => stage.resettable()],
    ['mysql2', () => stage.resettable({ client: 'mysql2', connection: { host: '127.0.0.1', port: 1 } })],
  ];
  for (const [name, make] of clients) {
    it(`has transactions, blocks, sandboxes and resets (${name})`, async () => {
      const db = make();
      const asked: string[] = [];
      type Callback = (error: null, result: object) => void;
      const lent = {
        __knexUid: 'mocked',
        query({ text, sql }: Record<string, string>, ...rest: unknown[]) {
          asked.push(text ?? sql ?? '');
          (rest.at(-1) as Callback)(null, { rows: [] });
        },
      };
      Object.assign(db.client, { acquireConnection: async () => lent, releaseConnection: async () => {} });
      await db.transaction((trx) => trx.raw('select 1'));
      const mine = new Error('mine');
      const failing = db.transaction(async () => {
        throw mine;
      });
      expect(await failure(failing)).to.equal(mine);
      await db.atomic((trx) => trx.raw('select 2'));
      const ended = [/^BEGIN/, /select 1/, /^COMMIT/, /^BEGIN/, /^ROLLBACK/, /^BEGIN/, /select 2/, /^COMMIT/];
      expect(
        asked.map((sql, i) => ended[i]?.test(sql)),
        asked.join(),
      ).to.deep.equal(ended.map(() => true));
      await db.sandbox(() => db.raw('select 3'));
      expect(await db.resetConnection()).to.include({ closedConnections: 0, forcedConnections: 0 });
    });
  }
});
