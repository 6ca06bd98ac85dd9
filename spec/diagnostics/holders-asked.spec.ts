// That a full pool's error says where plain queries were asked, while `leakAfterMillis` is set and not otherwise.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { expectUserFrames, type FullPoolError, listOf, narrow } from './stage';

const FILE = 'holders-asked.spec.ts';

describe('the error of a full pool', () => {
  const stage = useStage();

  before(() => stage.database.query('create table t (id int); insert into t select generate_series(1, 100000)'));

  /** Has a query hold the only connection. Gives back the error of another one, asked in vain. */
  async function heldBy(db: ResettableKnex, hold: (of: Knex) => PromiseLike<unknown>): Promise<FullPoolError> {
    const held = failure(hold(db));
    await until('it is held', () => db.connectionState().connections.inUse === 1);
    const error = await failure(db.raw('select 1'));
    await db.resetConnection();
    await held;
    return error as unknown as FullPoolError;
  }

  const SLEEP = 'select pg_sleep(30)';
  const ways: Record<string, (of: Knex) => PromiseLike<unknown>> = {
    'raw()': function asker(of) {
      return of.raw(SLEEP);
    },
    'a query builder': function asker(of) {
      return of('t').select(of.raw('pg_sleep(30)'));
    },
    'the schema builder': function asker(of) {
      return of.schema.raw(SLEEP);
    },
    'a stream': function asker(of) {
      const stream = of('t').stream();
      return new Promise((_, reject) => void stream.once('error', reject));
    },
    'a copy': function asker(of) {
      return of.withUserParams({}).raw(SLEEP);
    },
  };

  describe('with leakAfterMillis set', () => {
    for (const [title, asker] of Object.entries(ways)) {
      it(`says where ${title} was asked`, async () => {
        const db = stage.resettable(narrow(1), { leakAfterMillis: 60_000 });
        const error = await heldBy(db, asker);
        expect(error.holders).to.have.lengthOf(1);
        expectUserFrames(error.holders[0]!.stack, FILE, 'asker');
        expect(listOf(error)[0]).to.match(/, at .*asker.*holders-asked\.spec\.ts:\d+/);
      });
    }

    it('says where the query was written, not where it was sent', async () => {
      const db = stage.resettable(narrow(1), { leakAfterMillis: 60_000 });
      function writer() {
        return db.raw(SLEEP);
      }
      const query = writer();
      const error = await heldBy(db, async () => {
        await Promise.resolve();
        await query;
      });
      expectUserFrames(error.holders[0]!.stack, FILE, 'writer');
    });

    it('says it of the present borrower of a connection, not of an earlier one', async () => {
      const db = stage.resettable(narrow(1), { leakAfterMillis: 60_000 });
      await (function earlier() {
        return db.raw('select 1');
      })();
      const error = await heldBy(db, function asker(of) {
        return of.raw(SLEEP);
      });
      expectUserFrames(error.holders[0]!.stack, FILE, 'asker');
      expect(error.holders[0]!.stack).not.to.include('earlier');
    });

    it('says it of a query that waited for a reset, although others were asked meanwhile', async () => {
      const db = stage.resettable(narrow(1), { leakAfterMillis: 60_000 });
      const trx = await db.transaction();
      trx.executionPromise.catch(() => {});
      const reset = db.resetConnection({ graceMillis: 100 });
      const held = failure(
        (function asker() {
          return db.raw(SLEEP);
        })(),
      );
      const vain = failure(
        (function other() {
          return db.raw('select 1');
        })(),
      );
      await reset;
      const error = (await vain) as unknown as FullPoolError;
      expectUserFrames(error.holders[0]!.stack, FILE, 'asker');
      await db.resetConnection();
      await held;
    });

    it('does not say it of a connection that was taken by hand, whatever was sent on another one before', async () => {
      const db = stage.resettable(narrow(2), { leakAfterMillis: 60_000 });
      const raws = [await db.client.acquireConnection()];
      await (function asker() {
        return db.raw('select 1').connection(raws[0]);
      })();
      raws.push(await db.client.acquireConnection());
      const error = (await failure(db.raw('select 1'))) as unknown as FullPoolError;
      expect(error.holders.map(({ stack }) => stack)).to.deep.equal(['', '']);
      for (const raw of raws) await db.client.releaseConnection(raw);
    });

    it('still says it after a reset', async () => {
      const db = stage.resettable(narrow(1), { leakAfterMillis: 60_000 });
      await db.raw('select 1');
      await db.resetConnection();
      const error = await heldBy(db, function asker(of) {
        return of.raw(SLEEP);
      });
      expectUserFrames(error.holders[0]!.stack, FILE, 'asker');
    });
  });

  describe('without leakAfterMillis', () => {
    for (const [title, asker] of Object.entries(ways)) {
      it(`does not say where ${title} was asked`, async () => {
        const error = await heldBy(stage.resettable(narrow(1)), asker);
        expect(error.holders).to.have.lengthOf(1);
        expect(error.holders[0]).to.include({ id: 'query', stack: '' });
        expect(listOf(error)[0]).not.to.include(FILE);
      });
    }

    it('still says where a transaction was opened', async () => {
      const db = stage.resettable(narrow(1));
      const error = await heldBy(db, function opener(of) {
        return of.transaction((trx) => trx.raw(SLEEP));
      });
      expectUserFrames(error.holders[0]!.stack, FILE, 'opener');
    });
  });
});
