// A transaction whose connection dies rejects at once; one that is rolled back while it runs something cancels that first.
import { expect } from 'chai';
import { millisOf } from '../support/outcome';
import { later, pidOf, rejection, useStage } from './stage';

describe('a transaction whose connection is lost', () => {
  const stage = useStage();

  it('rejects at once while no query runs, although its callback waits for ever', async () => {
    let pid = 0;
    let isReady = () => {};
    const ready = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const promise = later(
      stage.db.transaction(async (trx) => {
        pid = await pidOf(trx);
        isReady();
        await new Promise(() => {});
      }),
    );
    await ready;
    await stage.database.terminate(pid);
    let error: { code?: string } = {};
    expect(await millisOf(rejection(promise).then((reason) => (error = reason)))).to.be.lessThan(300);
    expect(error).to.include({ code: '57P01' });
    await stage.idle();
    expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
  });

  it('rejects a block as well', async () => {
    const [backend] = await stage.database.backends();
    const promise = later(
      stage.db.atomic(() => stage.database.terminate(backend!.pid).then(() => new Promise(() => {}))),
    );
    expect(await rejection(promise)).to.include({ code: '57P01' });
  });

  it('rejects its handle’s commit() and executionPromise; rollback() resolves', async () => {
    const trx = await stage.db.transaction();
    void later(trx.executionPromise);
    await stage.database.terminate(await pidOf(trx));
    const error = await rejection(trx.executionPromise);
    expect(error).to.include({ code: '57P01' });
    expect(await rejection(trx.commit())).to.equal(error);
    await trx.rollback();
    expect(trx.isCompleted()).to.be.true;
  });

  it('rejects an outer and an inner transaction', async () => {
    let inner: unknown;
    const outer = await rejection(
      stage.db.atomic(async (trx) => {
        const pid = await pidOf(trx);
        const nested = trx.atomic(() => stage.database.terminate(pid).then(() => new Promise(() => {})));
        inner = await rejection(nested);
        await trx.raw('select 1');
      }),
    );
    expect(inner).to.include({ code: '57P01' });
    expect([outer.code, outer.cause?.code]).to.include('57P01');
  });

  it('rejects every query that waited behind the running one', async () => {
    const queries: Promise<unknown>[] = [];
    const promise = later(
      stage.db.transaction(async (trx) => {
        for (const sql of ['select pg_sleep(10)', 'select 2', 'select 3']) queries.push(later(trx.raw(sql)));
        await Promise.all(queries);
      }),
    );
    await stage.running(/pg_sleep/);
    const [backend] = await stage.database.backends();
    await stage.database.terminate(backend!.pid);
    expect(await rejection(promise)).to.include({ code: '57P01' });
    for (const query of queries) expect(await rejection(query)).to.be.an('error');
    expect(stage.sql).to.deep.equal(['BEGIN;', 'select pg_sleep(10)']);
  });

  it('is retried, although its callback waits for all of its queries', async () => {
    let calls = 0;
    const promise = stage.db.atomic(
      async (trx) => {
        if (++calls > 1) return 'value';
        const queries = [trx.raw('select pg_sleep(10)'), trx.raw('select 2')];
        void stage.running(/pg_sleep/).then(async () => {
          const [backend] = await stage.database.backends();
          await stage.database.terminate(backend!.pid);
        });
        await Promise.allSettled(queries);
        return 'lost';
      },
      { retry: 2 },
    );
    expect(await promise).to.equal('value');
  });

  it('is doomed, also when an inner block swallowed the error', async () => {
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        const pid = await pidOf(trx);
        await trx
          .atomic(async (nested) => {
            await stage.database.terminate(pid);
            await nested.raw('select 1').catch(() => {});
          })
          .catch(() => {});
        return 'value';
      }),
    );
    expect([error.code, error.cause?.code]).to.include('57P01');
  });
});

describe('a transaction whose BEGIN fails', () => {
  const stage = useStage();

  for (const form of ['transaction', 'atomic'] as const) {
    it(`does not call the callback of db.${form}()`, async () => {
      stage.proxy.cutBefore(/BEGIN/);
      let calls = 0;
      const error = await rejection(
        (stage.db[form] as typeof stage.db.atomic)(() => {
          calls++;
        }),
      );
      expect([error.code, error.cause?.code]).to.include('ECONNRESET');
      expect(calls).to.equal(0);
      await stage.idle();
      expect(stage.db.connectionState().connections).to.include({ idle: 0 });
    });
  }

  it('rejects the handle’s promise', async () => {
    stage.proxy.cutBefore(/BEGIN/);
    expect(await rejection(stage.db.transaction())).to.include({ code: 'ECONNRESET' });
    await stage.idle();
  });

  it('does not call a callback whose savepoint fails', async () => {
    let calls = 0;
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        await trx.raw('select 1/0').catch(() => {});
        await trx.atomic(() => {
          calls++;
        });
      }),
    );
    expect(error).to.include({ code: '25P02' });
    expect(error.cause).to.include({ code: '22012' });
    expect(calls).to.equal(0);
  });
});

describe('a transaction that is rolled back while it runs a query', () => {
  const stage = useStage();

  for (const form of ['transaction', 'atomic'] as const) {
    it(`cancels it on the server, made with db.${form}()`, async () => {
      const mine = new Error('mine');
      let query: Promise<unknown> | undefined;
      let start = 0;
      const error = await rejection(
        (stage.db[form] as typeof stage.db.atomic)(async (trx) => {
          query = later(trx.raw('select pg_sleep(10)'));
          await stage.running(/pg_sleep/);
          start = performance.now();
          throw mine;
        }),
      );
      expect(error).to.equal(mine);
      expect(performance.now() - start).to.be.lessThan(500);
      expect(await rejection(query!)).to.include({ code: '57014' });
      expect(stage.transcript.cancelled).to.have.lengthOf(1);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'select pg_sleep(10)', 'ROLLBACK']);
      await stage.idle();
      expect(stage.db.connectionState().connections).to.include({ idle: 1 });
    });
  }

  it('drops the queries behind it unsent', async () => {
    const queries: Promise<unknown>[] = [];
    await rejection(
      stage.db.atomic(async (trx) => {
        queries.push(later(trx.raw('select pg_sleep(10)')), later(trx.raw('insert into t values (1)')));
        await stage.running(/pg_sleep/);
        throw new Error('mine');
      }),
    );
    for (const query of queries) await rejection(query);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'select pg_sleep(10)', 'ROLLBACK']);
  });

  it('undoes only the savepoint when the query was an inner block’s', async () => {
    await stage.db.atomic(async (trx) => {
      await trx('t').insert({ id: 1 });
      const inner = trx.atomic(async (nested) => {
        void later(nested.raw('select pg_sleep(10)'));
        await stage.running(/pg_sleep/);
        throw new Error('mine');
      });
      expect((await rejection(inner)).message).to.equal('mine');
      await trx('t').insert({ id: 2 });
    });
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });
});
