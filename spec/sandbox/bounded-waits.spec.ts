// Nothing waits for ever in a sandbox: whoever does not get a turn is told in time, by whom and where that was opened.
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { SandboxError } from '../../lib';
import { defer } from '../../lib/words/waiting';
import { failure, outcome } from '../support/outcome';
import type { ResettableKnex, StageConfig } from '../support/stage';
import { until } from '../support/until';
import { expectUntouched, KINDS, useTables } from './stage';

const WAIT_MILLIS = 200;
/** Where something has to be seen or done while others wait, on a starved machine too. */
const LONG_MILLIS = 1500;
const HERE = 'bounded-waits.spec.ts';

for (const [kind, run] of KINDS) {
  describe(`${kind}: waiting for a turn`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    const make = (config: StageConfig = {}) => {
      db = stage.resettable({ acquireConnectionTimeout: WAIT_MILLIS, ...config });
    };
    beforeEach(() => make());

    /** That it names who has the turn, and where that was opened. */
    function expectRefusal(error: Error, holder: string, waitMillis = WAIT_MILLIS): void {
      expect(error).to.be.instanceOf(SandboxError).with.property('code', 'ERR_SANDBOX');
      expect(error.message).to.include(holder).and.to.include(HERE).and.to.include(`${waitMillis} ms`);
    }

    it('a transaction that waits for another one rejects, and names it', async () => {
      await run(db, async () => {
        const [begun, go] = [defer(), defer()];
        const first = db.atomic(
          async (trx) => {
            await trx('t').insert({ id: 1 });
            begun.resolve();
            await go.promise;
          },
          { label: 'the first' },
        );
        await begun.promise;
        const second = await failure(db.transaction((trx) => trx('t').insert({ id: 2 })));
        expectRefusal(second, 'transaction the first');
        expect((second.transaction as { label: string }).label).to.equal('the first');
        go.resolve();
        await first;
        await db.transaction((trx) => trx('t').insert({ id: 3 }));
        expect(await db('t').pluck('id')).to.deep.equal([1, 3]);
      });
      await expectUntouched(stage, db);
    });

    it('a savepoint that waits for its sibling rejects, and so do the blocks behind it', async () => {
      await run(db, async () => {
        await db.atomic(async (outer) => {
          const first = outer.atomic(
            () => Promise.all([failure(outer.atomic(() => {})), failure(outer.transaction(() => Promise.resolve()))]),
            { label: 'the inner' },
          );
          for (const error of await first) expectRefusal(error, 'transaction the inner');
        });
      });
    });

    it('a transaction behind one that was rejected still waits for the first one', async () => {
      make({ acquireConnectionTimeout: LONG_MILLIS });
      await run(db, async () => {
        const [begun, go] = [defer(), defer()];
        const steps: string[] = [];
        const first = db.transaction(async () => {
          begun.resolve();
          await go.promise;
          steps.push('first');
        });
        await begun.promise;
        await failure(db.transaction(() => Promise.resolve()));
        const third = db.transaction(() => Promise.resolve(steps.push('third')));
        await db.raw('select 1');
        go.resolve();
        await Promise.all([first, third]);
        expect(steps).to.deep.equal(['first', 'third']);
      });
    });

    it('queries and statements beside a connection that is held by hand reject, and say where it was taken', async () => {
      make({ acquireConnectionTimeout: LONG_MILLIS });
      await run(db, async () => {
        const trx = await db.transaction();
        const raw = (await db.client.acquireConnection()) as object;
        const waiting = [db('t').insert({ id: 1 }), trx('t').insert({ id: 2 })].map((each) => failure(each));
        await until('both wait', () => db.connectionState().connections.waiting === 2);
        for (const error of await Promise.all(waiting)) expectRefusal(error, 'by hand', LONG_MILLIS);
        expect(db.connectionState().connections.waiting).to.equal(0);
        await db.client.releaseConnection(raw);
        await trx('t').insert({ id: 3 });
        await trx.commit();
        expect(await db('t').pluck('id')).to.deep.equal([3]);
      });
      await expectUntouched(stage, db);
    });

    it('queries beside one that runs too long reject, and name it', async () => {
      await run(db, async () => {
        const slow = failure(db.raw('select pg_sleep(?)', [60]));
        const [pid] = await stage.running('pg_sleep');
        expectRefusal(await failure(db('t')), 'the query "select pg_sleep(?)"');
        await stage.database.query(`select pg_cancel_backend(${pid})`);
        expect(await slow).to.include({ code: '57014' });
        await db('t');
      });
    });

    it('the end of a block whose callback has kept a connection rejects, and says where it was taken', async () => {
      let raw: object | undefined;
      const outcomeOfSandbox = await outcome(
        run(db, async () => {
          const block = db.atomic(async (trx) => {
            await trx('t').insert({ id: 1 });
            raw = (await db.client.acquireConnection()) as object;
          });
          expectRefusal(await failure(block), 'by hand');
          await db.client.releaseConnection(raw as object);
        }),
      );
      // Its savepoint could not be undone, as the connection was kept.
      expect(outcomeOfSandbox.error).to.be.instanceOf(SandboxError);
      await expectUntouched(stage, db);
    });

    it('is bounded by the pool’s acquireTimeoutMillis as well, like Knex’s own wait', async () => {
      make({ acquireConnectionTimeout: 60_000, pool: { min: 0, max: 1, acquireTimeoutMillis: WAIT_MILLIS } });
      await run(db, async () => {
        const raw = (await db.client.acquireConnection()) as object;
        expectRefusal(await failure(db('t')), 'by hand');
        await db.client.releaseConnection(raw);
      });
    });

    it('connectionState() counts transactions that wait for others', async () => {
      make({ acquireConnectionTimeout: 60_000 });
      await run(db, async () => {
        const [begun, go] = [defer(), defer()];
        const first = db.transaction(async () => {
          begun.resolve();
          await go.promise;
        });
        await begun.promise;
        const others = [db.transaction(() => Promise.resolve()), db.atomic(() => {})];
        await until('both wait', () => db.connectionState().connections.waiting === 2);
        go.resolve();
        await Promise.all([first, ...others]);
        expect(db.connectionState().connections.waiting).to.equal(0);
      });
    });
  });
}

describe('a request of an app to itself inside a transaction, in a pinned sandbox', () => {
  const stage = useTables();
  let db: ResettableKnex;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    db = stage.resettable({ acquireConnectionTimeout: WAIT_MILLIS });
    server = createServer((_request, response) => {
      db.transaction((trx) => trx('t').insert({ id: 2 })).then(
        () => response.end('done'),
        (error: Error) => response.writeHead(500).end(error.message),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is answered in time, and names the transaction that is in the way', async () => {
    const sandbox = await db.openSandbox();
    const text = await db.transaction(async (trx) => {
      await trx('t').insert({ id: 1 });
      return (await fetch(url)).text();
    });
    expect(text).to.match(/waited 200 ms .* transaction trx\d+, opened .*bounded-waits\.spec\.ts/);
    await sandbox.close();
    await expectUntouched(stage, db);
  });
});
