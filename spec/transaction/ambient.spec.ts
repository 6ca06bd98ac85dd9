// `ambient: true`: what is asked of the instance inside a block runs in that block, and only there.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockControlError, ResetError, TransactionFailedError, TransactionTimeoutError } from '../../lib';
import { defer, nextTurn } from '../../lib/words/waiting';
import { outcome } from '../support/outcome';
import { type Db, later, pidOf, rejection, useStage } from './stage';

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');
const fail = () => {
  throw mine;
};

/** A table whose rows make COMMIT take 200 ms. */
const SLOW_COMMIT = `
  create table slow (id int);
  create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.2); return null; end';
  create constraint trigger slowly after insert on slow deferrable initially deferred
    for each row execute function slowly();
`;

describe('an ambient instance', () => {
  // One connection: whatever ran beside a block would wait for its end in vain.
  const stage = useStage({ ambient: true }, { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 1000 });

  describe('inside a block', () => {
    it('runs its queries in the block', async () => {
      await stage.db.atomic(async () => {
        await insert(stage.db, 1);
        await stage.db('t').insert({ id: 2 });
      });
      expect(stage.sql).to.deep.equal([
        'BEGIN;',
        'insert into t values (1)',
        'insert into "t" ("id") values ($1)',
        'COMMIT;',
      ]);
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('undoes its queries with the block', async () => {
      const error = await rejection(
        stage.db.atomic(async () => {
          await insert(stage.db, 1);
          fail();
        }),
      );
      expect(error).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs the queries of a copy in the block', async () => {
      const copy = stage.db.withUserParams({ tenant: 1 });
      await rejection(
        stage.db.atomic(async () => {
          await insert(copy, 1);
          await copy.transaction((trx) => insert(trx, 2));
          fail();
        }),
      );
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs its queries in a plain transaction as well', async () => {
      const error = await rejection(
        stage.db.transaction(async () => {
          await insert(stage.db, 1);
          fail();
        }),
      );
      expect(error).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('sends queries that are asked at once one after the other', async () => {
      await stage.db.atomic(() => Promise.all([1, 2, 3].map((id) => insert(stage.db, id))));
      expect(await stage.ids()).to.deep.equal([1, 2, 3]);
    });

    it('runs schema changes, batches and streams in the block', async () => {
      await rejection(
        stage.db.atomic(async () => {
          await stage.db.schema.createTable('inside', (table) => void table.integer('id'));
          await stage.db.batchInsert('t', [{ id: 1 }, { id: 2 }], 1);
          const rows: unknown[] = [];
          for await (const row of stage.db('t').orderBy('id').stream()) rows.push(row);
          expect(rows).to.deep.equal([{ id: 1 }, { id: 2 }]);
          fail();
        }),
      );
      expect(await stage.ids()).to.deep.equal([]);
      expect(await stage.db.schema.hasTable('inside')).to.equal(false);
    });

    it('follows the block through timers, callbacks and generators', async () => {
      await rejection(
        stage.db.atomic(async () => {
          async function* inserted() {
            for (const id of [1, 2]) {
              await insert(stage.db, id);
              yield id;
            }
          }
          for await (const id of inserted()) expect(id).to.be.within(1, 2);
          await new Promise((resolve, reject) => {
            setTimeout(() => void insert(stage.db, 3).then(resolve, reject), 5);
          });
          await sleep(5);
          await insert(stage.db, 4);
          fail();
        }),
      );
      expect(await stage.ids()).to.deep.equal([]);
      expect(stage.transcript.sql.at(-1)).to.equal('ROLLBACK');
    });

    it('waits for queries that were not awaited, and fails by a failure among them', async () => {
      await stage.db.atomic(() => void later(insert(stage.db, 1)));
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
      const error = await rejection(
        stage.db.atomic(async () => {
          await insert(stage.db, 2);
          void later(stage.db.raw('select 1/0'));
        }),
      );
      expect([error.code, error.cause?.code]).to.include('22012');
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('rejects the block when the error of one of its queries was swallowed', async () => {
      const error = await rejection(
        stage.db.atomic(async () => {
          await insert(stage.db, 1);
          await stage.db.raw('select 1/0').catch(() => {});
        }),
      );
      expect(error).to.be.instanceOf(TransactionFailedError);
      expect(error.cause).to.include({ code: '22012' });
    });

    it('notices a raw ROLLBACK among its queries, and refuses those after it', async () => {
      const error = await rejection(
        stage.db.atomic(async () => {
          await stage.db.raw('rollback');
          await insert(stage.db, 1).catch(() => {});
        }),
      );
      expect(error).to.be.instanceOf(BlockControlError);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('cancels the running query when the time is up', async () => {
      const late = stage.db.atomic(() => stage.db.raw('select pg_sleep(30)'), { timeoutMillis: 200 });
      expect(await rejection(late)).to.be.instanceOf(TransactionTimeoutError);
      await stage.db.raw('select 1');
    });

    it('refuses queries once the connection has ended', async () => {
      const error = await rejection(
        stage.db.atomic(async () => {
          await stage.database.query(`select pg_terminate_backend(${await pidOf(stage.db)})`);
          await stage.db.raw('select 1').catch(() => {});
          await insert(stage.db, 1).catch(() => {});
        }),
      );
      expect(error).to.include({ code: '57P01' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('refuses queries after a reset, which aborts the block', async () => {
      let second: unknown;
      const error = await rejection(
        stage.db.atomic(async () => {
          await insert(stage.db, 1);
          await stage.db.resetConnection();
          second = (await outcome(insert(stage.db, 2))).error;
        }),
      );
      expect(error).to.be.instanceOf(ResetError);
      expect(second).to.be.instanceOf(ResetError);
      await insert(stage.db, 3);
      expect(await stage.ids()).to.deep.equal([3]);
    });
  });

  describe('after a block', () => {
    it('sends later queries of the same function to the pool', async () => {
      await stage.db.atomic(() => insert(stage.db, 1));
      await rejection(stage.db.atomic(fail));
      await insert(stage.db, 2);
      expect(stage.sql).to.deep.equal([
        'BEGIN;',
        'insert into t values (1)',
        'COMMIT;',
        'BEGIN;',
        'ROLLBACK',
        'insert into t values (2)',
      ]);
    });

    it('refuses a query of a timer that the block left behind', async () => {
      const late = defer<unknown>();
      await stage.db.atomic(() => void setTimeout(() => late.resolve(outcome(insert(stage.db, 1))), 30));
      expect(await late.promise)
        .to.have.nested.property('error.message')
        .that.includes('already complete');
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('refuses queries of an inner block after the outer one has ended and its connection has another borrower', async () => {
      const late = defer<{ error?: unknown }[]>();
      const isOver = defer();
      const error = await rejection(
        stage.db.atomic(async () => {
          const inner = stage.db.atomic(async () => {
            await isOver.promise;
            const { db } = stage;
            const asked = [
              insert(db, 1),
              db.transaction((trx) => insert(trx, 2)),
              db.transaction(),
              db.atomic((trx) => insert(trx, 3)),
              db.atomic(() => insert(db, 4)),
            ];
            late.resolve(Promise.all(asked.map((each) => outcome<unknown>(each))));
          });
          inner.catch(() => {});
          await stage.db.raw('select 1');
          throw mine;
        }),
      );
      expect(error).to.equal(mine);
      const next = await stage.db.transaction();
      isOver.resolve();
      for (const refused of await late.promise)
        expect(refused).to.have.nested.property('error.message').that.includes('already complete');
      await next.commit();
      expect(await stage.ids()).to.deep.equal([]);
      expect(stage.db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });

    it('stores nothing of parallel inner blocks when one fails, and keeps the connection', async () => {
      const pid = await pidOf(stage.db);
      for (let round = 1; round <= 20; round++) {
        const error = await rejection(
          stage.db.atomic(() =>
            Promise.all(
              [1, 2, 3].map((n) =>
                stage.db.atomic(async () => {
                  await insert(stage.db, 10 * round + n);
                  if (n === 2) throw mine;
                  await insert(stage.db, 1000 + 10 * round + n);
                }),
              ),
            ),
          ),
        );
        expect(error).to.equal(mine);
      }
      expect(await stage.ids()).to.deep.equal([]);
      expect(await pidOf(stage.db)).to.equal(pid);
    });

    it('keeps the connection when the outer block fails while the inner one is being rolled back', async () => {
      const pid = await pidOf(stage.db);
      const outer = new Error('outer');
      const failed = stage.db.atomic(async () => {
        const started = defer();
        const inner = stage.db.atomic(async () => {
          // Has to be cancelled first.
          void outcome(stage.db.raw('select pg_sleep(60)'));
          await stage.running(/^select pg_sleep/);
          started.resolve();
          throw mine;
        });
        inner.catch(() => {});
        await started.promise;
        await nextTurn();
        throw outer;
      });
      expect(await rejection(failed)).to.equal(outer);
      expect(await pidOf(stage.db)).to.equal(pid);
    });

    it('refuses a query while COMMIT is under way, since it would be stored on its own', async () => {
      await stage.database.query(SLOW_COMMIT);
      let late: Promise<unknown> | undefined;
      await stage.db.atomic(async () => {
        await stage.db.raw('insert into slow values (1)');
        void stage.running(/^COMMIT/).then(() => (late = outcome(insert(stage.db, 1))));
      });
      expect(await late)
        .to.have.nested.property('error.message')
        .that.includes('already complete');
      expect(await stage.ids()).to.deep.equal([]);
    });
  });

  it('does not join a transaction that is used by its handle', async () => {
    const db = stage.make({ ambient: true }, { pool: { min: 0, max: 2 } });
    const handle = await db.transaction();
    await insert(handle, 1);
    await insert(db, 2);
    await handle.rollback();
    expect(await stage.ids()).to.deep.equal([2]);
  });

  it('keeps parallel blocks apart', async () => {
    const db = stage.make({ ambient: true }, { pool: { min: 0, max: 3 } });
    const results = await Promise.allSettled(
      [1, 2, 3].map((id) =>
        db.atomic(async () => {
          const pid = await pidOf(db);
          await insert(db, id);
          await sleep(5);
          expect(await pidOf(db)).to.equal(pid);
          if (id === 2) fail();
        }),
      ),
    );
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(await stage.ids()).to.deep.equal([1, 3]);
  });

  it('keeps instances apart', async () => {
    const other = stage.make({ ambient: true });
    await rejection(
      stage.db.atomic(async () => {
        await insert(other, 1);
        await insert(stage.db, 2);
        fail();
      }),
    );
    expect(await stage.ids()).to.deep.equal([1]);
  });
});

describe('an instance that is not ambient', () => {
  const stage = useStage();

  it('runs queries inside a block on connections of their own', async () => {
    await rejection(
      stage.db.atomic(async () => {
        await insert(stage.db, 1);
        fail();
      }),
    );
    expect(await stage.ids()).to.deep.equal([1]);
  });
});
