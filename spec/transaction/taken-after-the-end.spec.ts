// A connection that is taken by hand from a transaction which is over: it sends nothing, since others may have it by then.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';

interface Raw {
  end(): void;
  query(sql: string, done?: (error: unknown) => void): Promise<unknown>;
}

const take = (trx: Knex) => trx.client.acquireConnection() as Promise<Raw>;
const commit = (trx: Knex.Transaction) => trx.commit();
const nothing = () => {};
const OVER = /already complete|aborted by a connection reset/;

describe('the connection of a transaction that is over', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  const ENDS: Record<string, (db: ReturnType<typeof stage.resettable>) => Promise<Knex>> = {
    'committed by hand': async (db) => {
      const trx = await db.transaction();
      await commit(trx);
      return trx;
    },
    'a block that resolved': async (db) => {
      let trx: Knex | undefined;
      await db.atomic((given) => void (trx = given));
      return trx as unknown as Knex;
    },
    'a block that failed': async (db) => {
      let trx: Knex | undefined;
      await failure(
        db.atomic((given) => {
          trx = given;
          throw new Error('of the block');
        }),
      );
      return trx as unknown as Knex;
    },
    'a savepoint': async (db) => {
      let trx: Knex | undefined;
      await db.atomic((outer) => outer.atomic((given) => void (trx = given)));
      return trx as unknown as Knex;
    },
    'aborted by a reset': async (db) => {
      const trx = await db.transaction();
      trx.executionPromise.catch(nothing);
      await db.resetConnection();
      return trx;
    },
  };

  for (const [title, end] of Object.entries(ENDS)) {
    it(`sends nothing into the next transaction: ${title}`, async () => {
      const db = stage.resettable({ pool: { max: 1 } });
      const trx = await end(db);
      const raw = await take(trx);
      await db.atomic(async () => {
        expect(() => raw.query('insert into t values (666)')).to.throw(OVER);
        const told = await new Promise((resolve) => void raw.query('insert into t values (667)', resolve));
        expect(told).to.be.an('error');
        expect(() => raw.end()).to.throw(OVER);
      });
      expect(await db('t').where('id', '>', 600)).to.be.empty;
      const query = await failure(trx('t'));
      expect(query.message).to.match(OVER);
    });
  }
});
