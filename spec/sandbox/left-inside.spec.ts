// What is still inside a sandbox, or an ambient block, when it is taken away: it hears of it, and keeps the connection from nobody.
import { expect } from 'chai';
import { ResetError, type Sandbox } from '../../lib';
import { defer } from '../../lib/words/waiting';
import { failure, millisOf, nextTurn } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { expectUntouched, useTables } from './stage';

const ONE = { pool: { max: 1 } };

describe('work that was left inside a sandbox', () => {
  const stage = useTables();

  it('rejects a block that waits for its turn to roll back with what its callback threw', async () => {
    const db = stage.resettable(ONE);
    const sandbox = await db.openSandbox();
    const thrown = new Error('thrown by the callback');
    const throwing = defer();
    let sleeping: Promise<unknown> = Promise.resolve();
    const block = failure(
      db.atomic(async (trx) => {
        await trx.raw('select 1');
        sleeping = failure(db.raw('select pg_sleep(60)'));
        await stage.running('pg_sleep');
        throwing.resolve();
        throw thrown;
      }),
    );
    await throwing.promise;
    await nextTurn();
    await sandbox.close();
    await sleeping;
    expect(await block).to.equal(thrown);
  });

  for (const connections of ['close', 'recycle'] as const) {
    for (const waiting of ['reject', 'requeue'] as const) {
      it(`rejects at a reset when it waits for its turn (${connections}, ${waiting})`, async () => {
        const db = stage.resettable(ONE);
        const sandbox = await db.openSandbox();
        await db('t').insert({ id: 1 });
        const sleeping = failure(db.raw('select pg_sleep(60)'));
        await stage.running('pg_sleep');
        const asked = [
          sleeping,
          failure(db('t').insert({ id: 2 })),
          failure(db.transaction((trx) => trx('t').insert({ id: 3 }))),
          failure(db.transaction()),
          failure(db.atomic((trx) => trx('t').insert({ id: 4 }))),
          failure(readAll(db)),
          failure(db('t').insert({ id: 5 })),
        ];
        const reset = db.resetConnection({ connections, waiting });
        for (const error of await Promise.all(asked)) expect(error).to.be.an.instanceof(ResetError);
        expect(await reset).to.include({ [connections === 'close' ? 'closedConnections' : 'recycledConnections']: 1 });
        expect(await failure(sandbox.close()))
          .to.have.property('cause')
          .that.is.an.instanceof(ResetError);
        await expectUntouched(stage, db);
      });
    }

    describe(`a connection that is held by hand, at a reset (${connections})`, () => {
      let db: ResettableKnex;
      let sandbox: Sandbox;
      let held: object;
      let waits: Promise<Error>;

      beforeEach(async () => {
        db = stage.resettable(ONE);
        sandbox = await db.openSandbox();
        held = await db.client.acquireConnection();
        waits = failure(db('t').insert({ id: 1 }));
      });

      it('is closed, and what waits behind it rejects', async () => {
        const report = await db.resetConnection({ connections });
        expect(report).to.include({ closedConnections: 1, recycledConnections: 0 });
        expect(await waits).to.be.an.instanceof(ResetError);
        await expectUntouched(stage, db);
      });

      it('stays with its next borrower when it is released late', async () => {
        const reset = db.resetConnection({ connections });
        await Promise.all([reset, waits]);
        await failure(sandbox.close());
        await db.raw('select 1');
        const next = await db.client.acquireConnection();
        await db.client.releaseConnection(held);
        expect(db.connectionState().connections.inUse).to.equal(1);
        await db.client.releaseConnection(next);
      });
    });
  }

  it('a connection that is held by hand when it is closed serves nobody any more', async () => {
    const db = stage.resettable(ONE, { timeoutMillis: 300 });
    const sandbox = await db.openSandbox();
    const held = (await db.client.acquireConnection()) as { query(sql: string): Promise<unknown> };
    const waits = failure(db('t').insert({ id: 1 }));
    await sandbox.close();
    expect(await waits).to.be.an.instanceof(Error);
    await failure(held.query('insert into t values (2)'));
    await db.raw('select 1');
    await db.client.releaseConnection(held);
    await expectUntouched(stage, db);
  });

  it('a query that is never answered does not keep the connection when it is closed', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy, ...ONE }, { timeoutMillis: 300 });
    const sandbox = await db.openSandbox();
    const sleeping = failure(db.raw('select pg_sleep(60)'));
    await stage.running('pg_sleep');
    proxy.freeze();
    await sandbox.close();
    await until('its place in the pool is free', () => db.connectionState().connections.inUse === 0);
    expect(await sleeping).to.be.an.instanceof(Error);
  });

  it('a ROLLBACK that is not answered dooms the connection', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy, ...ONE }, { timeoutMillis: 1000 });
    const sandbox = await db.openSandbox({ checkConstraints: false });
    await db('t').insert({ id: 1 });
    proxy.swallowAnswersAfter('ROLLBACK');
    await sandbox.close();
    expect(await millisOf(db.raw('select 1'))).to.be.below(500);
    await expectUntouched(stage, db);
  });
});

describe('left inside a block of an ambient instance', () => {
  const stage = useTables();

  it('a query that is never answered does not keep the connection when it is over', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy, ...ONE }, { ambient: true, timeoutMillis: 300 });
    let sleeping: Promise<Error> | undefined;
    const block = failure(
      db.atomic(
        async () => {
          sleeping = failure(db.raw('select pg_sleep(60)'));
          await stage.running('pg_sleep');
          proxy.freeze();
          await sleeping;
        },
        { timeoutMillis: 1500 },
      ),
    );
    expect(await block).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
    await until('its place in the pool is free', () => db.connectionState().connections.inUse === 0);
    expect(await sleeping).to.be.an.instanceof(Error);
  });
});

async function readAll(db: ResettableKnex): Promise<void> {
  for await (const row of db('t').stream()) expect(row).to.be.an('object');
}
