// Hooks with isolation 'sandbox', and what is open outside of the test's sandbox: a test that leaves something there fails, the next one is clean.
import { expect } from 'chai';
import { type ResetHooks, resetHooks } from '../../lib/mocha';
import { failure } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { Project } from './project';

describe("isolation 'sandbox' and what is outside of the sandbox", () => {
  const stage = useStage();
  let db: ResettableKnex;
  let hooks: ResetHooks;

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(() => {
    db = stage.resettable({ pool: { max: 4 } });
    hooks = resetHooks(db, { isolation: 'sandbox' });
  });
  afterEach(async () => {
    await hooks.afterAll();
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    expect(await stage.database.query('select * from t')).to.be.empty;
  });

  const test = async (body: () => unknown) => {
    await hooks.beforeEach();
    try {
      await body();
    } finally {
      await hooks.afterEach();
    }
  };
  /** Needs the row that the others have locked. */
  const innocent = () => test(() => db('t').insert({ id: 1 }));
  /** Leaves a transaction that holds the row. */
  const leak = async () => {
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await trx('t').insert({ id: 1 });
    return trx;
  };

  describe('at the end of a test', () => {
    it('fails it for a transaction that it left there', async () => {
      const { name, message } = await failure(test(() => db.outside(leak)));
      expect({ name, message }).to.have.property('name', 'LeakError');
      expect(message)
        .to.include('left 1 transaction open')
        .and.to.include('insert into')
        .and.to.include('outside.spec.ts');
      expect(db.connectionState().transactions).to.be.empty;
      await innocent();
    });

    it('fails it for a query that runs there, also one that was asked last', async () => {
      for (const isRunning of [true, false]) {
        const query = failure(
          test(async () => {
            await db.outside(() => void db.raw('select pg_sleep(30)').catch(() => {}));
            if (isRunning) await stage.running('pg_sleep');
          }),
        );
        expect((await query).message)
          .to.include('left 1 query running')
          .and.to.include('pg_sleep');
      }
      await innocent();
    });

    it('fails it for a sandbox that it opened there', async () => {
      const leaking = test(async () => {
        const sandbox = await db.outside(() => db.openSandbox({ pinned: false }));
        await sandbox.run(() => db('t').insert({ id: 1 }));
      });
      expect((await failure(leaking)).message).to.include('left 1 transaction open');
      await innocent();
    });

    it('fails it for a connection that it holds, and for queries that wait for one', async () => {
      const queries: Promise<unknown>[] = [];
      const leaking = test(() =>
        db.outside(async () => {
          await db.client.acquireConnection();
          for (let i = 0; i < 4; i++) queries.push(failure(db.raw('select pg_sleep(30)')));
        }),
      );
      expect((await failure(leaking)).message).to.match(/left \d quer(y|ies) running/);
      for (const query of queries) expect(await query).to.include({ code: 'ERR_RESET' });
      await innocent();
    });

    it('reports what is inside and outside together', async () => {
      const leaking = test(async () => {
        await db.outside(leak);
        (await db.transaction()).executionPromise.catch(() => {});
      });
      expect((await failure(leaking)).message).to.include('left 2 transactions open');
      await innocent();
    });

    it('ends it also where the sandbox fails', async () => {
      const escaping = test(async () => {
        await db.outside(leak);
        await db.raw('rollback');
      });
      expect(await failure(escaping)).to.include({ code: 'ERR_SANDBOX' });
      await innocent();
    });

    it('leaves alone what came back in time', async () => {
      await test(() => db.outside(() => db.transaction(async (trx) => void (await trx.raw('select 1')))));
      await test(() => db.outside(() => Promise.all([1, 2, 3, 4].map(() => db.raw('select 1')))));
    });
  });

  describe('at the beginning of a test', () => {
    it('ends what a hook has left after the test before', async () => {
      await innocent();
      const trx = await leak();
      await innocent();
      expect(trx.isCompleted()).to.equal(true);
    });

    it('lets what ends by itself soon do so', async () => {
      await innocent();
      const query = db.raw('select pg_sleep(0.02)').then(() => 'answered');
      await innocent();
      expect(await query).to.equal('answered');
    });

    it('leaves alone what the app had open before the first test, and a connection that rests', async () => {
      const app = await db.transaction();
      await app.raw('select 1');
      const pid = async (connection: unknown) => {
        const { rows } = (await db.raw('select pg_backend_pid() pid').connection(connection)) as { rows: object[] };
        return rows[0];
      };
      await innocent();
      const listener: unknown = await db.client.acquireConnection();
      const before = await pid(listener);
      await innocent();
      expect(await failure(test(() => db.outside(leak)))).to.have.property('name', 'LeakError');
      await innocent();
      expect(await pid(listener)).to.deep.equal(before);
      await app.raw('select 1');
      await app.rollback();
      await db.client.releaseConnection(listener);
    });

    it('sends nothing where nothing is open', async () => {
      await innocent();
      const { generation } = db.connectionState();
      for (let i = 0; i < 3; i++) await innocent();
      expect(db.connectionState()).to.deep.include({ generation });
    });
  });

  it('leaves alone what the outer test has there, when a test inside it leaves something too', async () => {
    // As node:test tells them.
    const outer = { name: 'outer', fullName: 'outer' };
    const inner = { name: 'inner', fullName: 'outer > inner' };
    type Test = typeof outer;
    const { beforeEach: begin, afterEach: end } = hooks as Record<keyof ResetHooks, (given?: Test) => Promise<void>>;
    await begin(outer);
    const kept = await db.outside(() => db.transaction());
    await begin(inner);
    await db.outside(leak);
    expect((await failure(end(inner))).message).to.include('"outer > inner" left 1 transaction');
    await kept.raw('select 1');
    await kept.rollback();
    await end(outer);
  });
});

describe("isolation 'sandbox' and hooks of mocha's that fail or leak", () => {
  const project = Project.use('rooted');

  for (const isolation of ['sandbox', 'reset']) {
    it(`begins the next test clean (${isolation})`, async () => {
      const { tests } = await project().mocha({ isolation }, '--require', './hooks.js', 'broken-hooks.test.js');
      const passed = Object.keys(tests).filter((title) => tests[title] === 'passed');
      expect(passed).to.include.members([
        'failed before: is innocent',
        'leaking afterEach: is innocent',
        'late before: is innocent',
      ]);
      await until('no backend', async () => (await project().database.backends()).length === 0 || undefined);
    });
  }
});
