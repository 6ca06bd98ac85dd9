// How a sandbox ends: what the database, the code under test or a reset may have against it.
import type { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { ResetError, type Sandbox, SandboxError } from '../../lib';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';
import { expectUntouched, ids, pidOf, KINDS, useTables, useTablesToFill } from './stage';

for (const [kind, run] of KINDS) {
  describe(`${kind}: its end`, () => {
    const stage = useTablesToFill();
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable();
    });

    it('rejects with what the body throws', async () => {
      const thrown = new Error('no');
      const error = await failure(
        run(db, async () => {
          await db('t').insert({ id: 1 });
          throw thrown;
        }),
      );
      expect(error).to.equal(thrown);
      await expectUntouched(stage, db);
    });

    it('sends BEGIN, one savepoint that each query renews, the check and ROLLBACK', async () => {
      const proxy = await stage.proxy();
      db = stage.resettable({ through: proxy });
      await db.raw('select 0');
      const transcript = new WireTranscript(proxy);
      await run(db, async () => {
        await db('t').insert({ id: 1 });
        await failure(db('t').insert({ id: 1 }));
        await db('t').insert({ id: 2 });
        await db('t').insert({ id: 3 });
        await db.transaction((trx) => trx('t').insert({ id: 4 }));
        await db('t').insert({ id: 5 });
      });
      const insert = 'insert into "t" ("id") values ($1)';
      expect(
        transcript.sql.map((sql) =>
          sql
            .replace(/^\s*SELECT string_agg[^]*/, 'the names of constraints')
            .replace(/^(SET CONSTRAINTS )(?!ALL)[^]* IMMEDIATE; SET CONSTRAINTS [^]* DEFERRED$/, '$1…')
            .replace(/trx\d+/, 'trxN')
            .replace(/^RELEASE (?!SAVEPOINT)/, 'RELEASE SAVEPOINT ')
            .replace(/;$/, ''),
        ),
      ).to.deep.equal([
        'BEGIN; SAVEPOINT sandbox',
        insert,
        'RELEASE SAVEPOINT sandbox; SAVEPOINT sandbox',
        insert,
        'ROLLBACK TO SAVEPOINT sandbox',
        insert,
        'RELEASE SAVEPOINT sandbox; SAVEPOINT sandbox',
        insert,
        'RELEASE SAVEPOINT sandbox',
        'SAVEPOINT trxN',
        insert,
        'SELECT FROM pg_constraint WHERE condeferrable LIMIT 1',
        'the names of constraints',
        'SET CONSTRAINTS …',
        'RELEASE SAVEPOINT trxN',
        'SAVEPOINT sandbox',
        insert,
        'RELEASE SAVEPOINT sandbox; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK',
      ]);
    });

    describe('with a violated deferred constraint', () => {
      it('fails with the database’s own error', async () => {
        expect(await failure(run(db, () => db('child').insert({ parent_id: 1 })))).to.include({
          code: '23503',
          table: 'child',
        });
        await expectUntouched(stage, db);
      });

      it('fails when the constraint was violated in a transaction of the app', async () => {
        const body = () => db.atomic((trx) => trx('child').insert({ parent_id: 1 }));
        expect(await failure(run(db, body))).to.include({ code: '23503' });
      });

      it('does not fail with checkConstraints: false', async () => {
        await run(db, () => db('child').insert({ parent_id: 1 }), { checkConstraints: false });
        await expectUntouched(stage, db);
      });

      it('does not fail once the constraint holds again', async () => {
        await run(db, async () => {
          await db('child').insert({ parent_id: 1 });
          await db('parent').insert({ id: 1 });
        });
        await expectUntouched(stage, db);
      });
    });

    describe('after an escape by raw SQL', () => {
      for (const sql of ['commit', 'ROLLBACK', 'end; select 1', 'rollback and no chain']) {
        it(`fails with SandboxError that names "${sql}"`, async () => {
          const error = await failure(run(db, () => db.raw(sql)));
          expect(error).to.be.instanceOf(SandboxError).with.property('code', 'ERR_SANDBOX');
          expect(error.message).to.include(`"${sql}"`);
          expect(await stage.database.backends().then((all) => all.map(({ state }) => state))).to.not.include(
            'idle in transaction',
          );
        });
      }

      it('notices an escape in a transaction of the app', async () => {
        const body = () => failure(db.transaction((trx) => trx.raw('commit')));
        const error = await failure(run(db, body));
        expect(error).to.be.instanceOf(SandboxError);
        expect(error.message).to.include('"commit"');
      });

      it('refuses later queries', async () => {
        await failure(
          run(db, async () => {
            await db.raw('commit');
            expect(await failure(db('t').insert({ id: 2 }))).to.be.instanceOf(SandboxError);
            expect(await failure(db.transaction((trx) => trx('t').insert({ id: 3 })))).to.be.instanceOf(SandboxError);
          }),
        );
        expect(await ids(stage)).to.deep.equal([]);
      });

      it('leaves the instance usable', async () => {
        await failure(run(db, () => db.raw('commit')));
        await run(db, () => db('t').insert({ id: 1 }));
        await expectUntouched(stage, db);
      });
    });

    describe('after a reset inside', () => {
      it('fails with SandboxError, whose cause is the ResetError', async () => {
        const error = await failure(
          run(db, async () => {
            await db('t').insert({ id: 1 });
            const report = await db.resetConnection({ reason: 'the test' });
            expect(report.abortedTransactions).to.have.lengthOf(1);
          }),
        );
        expect(error).to.be.instanceOf(SandboxError);
        expect(error.message).to.include('reset');
        expect(error.cause).to.be.instanceOf(ResetError).with.property('reason', 'the test');
        await expectUntouched(stage, db);
      });

      it('names destroy() when that was the reset', async () => {
        const error = await failure(run(db, () => db.destroy()));
        expect(error).to.be.instanceOf(SandboxError);
        expect(error.message).to.equal('destroy() ended the sandbox before it was closed');
        expect(error.cause).to.be.instanceOf(ResetError).with.property('reason', 'destroy');
      });

      it('sends no later query', async () => {
        await failure(
          run(db, async () => {
            await db.resetConnection();
            expect(await failure(db('t').insert({ id: 1 }))).to.be.instanceOf(ResetError);
            expect(await failure(db.transaction((trx) => trx('t').insert({ id: 1 })))).to.be.instanceOf(ResetError);
          }),
        );
        await expectUntouched(stage, db);
      });

      it('does not affect the next sandbox', async () => {
        await failure(run(db, () => db.resetConnection()));
        await run(db, () => db('t').insert({ id: 1 }));
        await expectUntouched(stage, db);
      });
    });

    it('says how its connection was lost, and the next one works', async () => {
      const error = await failure(
        run(db, async () => {
          const connection: EventEmitter = await db.client.acquireConnection();
          await db.client.releaseConnection(connection);
          // A statement sent to a server that is gone breaks the socket, and what it said last may be lost.
          const ended = new Promise((resolve) => connection.once('end', resolve));
          await stage.database.terminate(await pidOf(db));
          await ended;
          await db('t').insert({ id: 1 });
        }),
      );
      expect(error).to.include({ code: '57P01' });
      await run(db, () => db('t').insert({ id: 1 }));
      await expectUntouched(stage, db);
    });
  });
}

describe('sandbox.close()', () => {
  const stage = useTables();

  it('gives the same report when it is called again', async () => {
    const db = stage.resettable();
    const sandbox = await db.openSandbox();
    const [first, second] = await Promise.all([sandbox.close(), sandbox.close()]);
    expect(second).to.equal(first);
    expect(await sandbox.close()).to.equal(first);
  });

  it('rejects again with the same error', async () => {
    const db = stage.resettable();
    const sandbox = await db.openSandbox();
    await db.raw('commit');
    expect(await failure(sandbox.close())).to.equal(await failure(sandbox.close()));
  });

  for (const checkConstraints of [true, false]) {
    it(`refuses queries while it is under way (checkConstraints: ${checkConstraints})`, async () => {
      const db = stage.resettable();
      const sandbox = await db.openSandbox({ checkConstraints });
      await db('t').insert({ id: 1 });
      const closing = sandbox.close();
      const refused = await Promise.all([
        failure(db('t').insert({ id: 2 })),
        failure(db.transaction((trx) => trx('t').insert({ id: 3 }))),
        failure(db.transaction()),
        failure(db.atomic((trx) => trx('t').insert({ id: 4 }))),
      ]);
      for (const error of refused)
        expect(error).to.be.an.instanceof(SandboxError).with.property('message', 'the sandbox is closed');
      expect(await closing).to.deep.equal({ transactions: [], queries: [] });
      await expectUntouched(stage, db);
    });
  }

  it('does not close a sandbox that was opened since', async () => {
    const db = stage.resettable();
    const first = await db.openSandbox();
    await first.close();
    const second = await db.openSandbox();
    await first.close();
    await db('t').insert({ id: 1 });
    await second.close();
    await expectUntouched(stage, db);
  });
});

describe('openSandbox()', () => {
  const stage = useTables();

  describe('around each test', () => {
    let db: ResettableKnex;
    let sandbox: Sandbox;

    beforeEach(async () => {
      db = stage.resettable();
      sandbox = await db.openSandbox();
    });
    afterEach(async () => {
      await sandbox.close();
      await expectUntouched(stage, db);
    });

    for (let n = 1; n <= 20; n++) {
      it(`keeps the same key apart (${n})`, async () => {
        await db('t').insert({ id: 1 });
        await db.transaction((trx) => trx('t').insert({ id: 2 }));
        expect(await db('t').count('*').first()).to.deep.equal({ count: '2' });
      });
    }
  });
});
