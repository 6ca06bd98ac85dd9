// pg's `query_timeout` ends a query in the client only: the server goes on, and its answer to COMMIT counts.
import { expect } from 'chai';
import { type AtomicTransaction, CommitUnknownError } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { type Db, rejection, useStage } from './stage';

const QUERY_TIMEOUT = 100;

describe("a COMMIT that pg's query_timeout has given up", () => {
  const stage = useStage();
  let isGivenUp: boolean;
  const make = (options = {}) => {
    const connection = { ...stage.database.connection, query_timeout: QUERY_TIMEOUT };
    const db = stage.make(options, { connection });
    isGivenUp = false;
    db.on('query-error', ({ message }: Error) => {
      isGivenUp ||= /Query read timeout/.test(message);
    });
    return db;
  };

  before(async () => {
    await stage.database.query(`
      create function wait() returns trigger language plpgsql as
        $$ begin
          perform pg_advisory_xact_lock(1);
          if new.id = 0 then raise exception 'no'; end if;
          if new.id < 0 then raise exception 'conflict' using errcode = '40001'; end if;
          return null;
        end $$;
      create constraint trigger waits after insert on t initially deferred for each row execute function wait();`);
  });

  const FORMS = {
    'db.atomic()': (db: Db, id: number) => db.atomic((trx) => trx('t').insert({ id })),
    'db.atomic() with retry': (db: Db, id: number) =>
      db.atomic((trx) => trx('t').insert({ id }), { retry: { attempts: 3, when: () => true } }),
    'db.transaction()': (db: Db, id: number) => db.transaction((trx) => trx('t').insert({ id })),
  };

  /** Runs it while COMMIT waits for a lock, until pg has given up. */
  async function givenUp<T>(work: () => Promise<T>): Promise<{ done: Promise<T>; unlock: () => Promise<void> }> {
    const other = makeKnex(stage.database.connection);
    const lock = await other.transaction();
    await lock.raw('select pg_advisory_xact_lock(1)');
    const done = work();
    done.catch(() => {});
    await stage.running(/^COMMIT/);
    await until('pg has given up', () => isGivenUp);
    const unlock = async () => {
      await lock.rollback();
      await other.destroy();
    };
    return { done, unlock };
  }

  for (const [name, run] of Object.entries(FORMS)) {
    it(`is a success where the server commits: ${name}`, async () => {
      const { done, unlock } = await givenUp(() => run(make(), 1));
      await unlock();
      await done;
      expect(await stage.ids()).to.deep.equal([1]);
    });
  }

  it('is a failure where the server refuses it', async () => {
    const { done, unlock } = await givenUp(() => FORMS['db.atomic()'](make(), 0));
    await unlock();
    const error = await rejection(done);
    expect(error)
      .to.match(/Query read timeout/)
      .and.not.be.instanceOf(CommitUnknownError);
    expect(error.cause).to.include({ code: 'P0001', message: 'no' });
    expect(await stage.ids()).to.deep.equal([]);
  });

  it('is tried again where the server refuses it for a conflict', async () => {
    const block = (trx: AtomicTransaction) => trx('t').insert({ id: trx.attempt === 1 ? -1 : trx.attempt });
    const { done, unlock } = await givenUp(() => make().atomic(block, { retry: 2 }));
    await unlock();
    await done;
    expect(await stage.ids()).to.deep.equal([2]);
  });

  it('is unknown where the connection dies before the answer', async () => {
    const { done, unlock } = await givenUp(() => FORMS['db.atomic()'](make(), 1));
    const committing = (await stage.database.backends()).find(({ query }) => query.startsWith('COMMIT'));
    await stage.database.terminate(committing!.pid);
    const error = await rejection(done);
    expect(error).to.be.instanceOf(CommitUnknownError);
    expect(error.cause).to.include({ code: '57P01' });
    await unlock();
  });

  it("is unknown where the answer does not come within the instance's time", async () => {
    const { done, unlock } = await givenUp(() => FORMS['db.atomic()'](make({ timeoutMillis: 200 }), 1));
    expect(await rejection(done)).to.be.instanceOf(CommitUnknownError);
    await unlock();
  });
});
