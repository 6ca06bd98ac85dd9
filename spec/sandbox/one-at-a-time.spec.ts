// That no statement is given to the driver while another one is with it: pg warns of that, and pg 9 will refuse it.
import { expect } from 'chai';
import pg from 'pg';
import { outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, KINDS, useTables } from './stage';

interface Client {
  readonly readyForQuery: boolean;
  query(...args: unknown[]): unknown;
}

for (const [kind, run] of KINDS) {
  describe(`${kind}: one statement at a time`, () => {
    const stage = useTables();
    const prototype = pg.Client.prototype as unknown as Client;
    const query = Reflect.get(prototype, 'query') as (this: Client, ...args: unknown[]) => unknown;
    let db: ResettableKnex;
    let overlapping: string[];

    beforeEach(async () => {
      db = stage.resettable({ pool: { min: 0, max: 1 } });
      await db.raw('select 1');
      overlapping = [];
      const watched = function (this: Client, ...args: unknown[]): unknown {
        if (!this.readyForQuery) overlapping.push(String((args[0] as { text?: string }).text ?? args[0]));
        return query.apply(this, args);
      };
      prototype.query = watched;
    });
    afterEach(async () => {
      prototype.query = query;
      await expectUntouched(stage, db);
    });

    const undone = new Error('undo');
    const fail = () => {
      throw undone;
    };
    /** Starts all at once, and waits for all. */
    const all = (...work: (() => PromiseLike<unknown>)[]) => Promise.all(work.map((start) => outcome(start())));

    const WORK: Record<string, () => Promise<unknown>> = {
      'a second rollback beside one': async () => {
        const trx = await db.transaction();
        await trx('t').insert({ id: 1 });
        await all(
          () => trx.rollback(),
          () => trx.rollback(),
          () => trx('t'),
          () => db('t'),
        );
      },
      'a rollback beside the statement of a sibling': async () => {
        const [one, other] = [await db.transaction(), await db.transaction()];
        await all(
          () => one('t').insert({ id: 1 }),
          () => other('t').insert({ id: 2 }),
          () => other.rollback(),
          () => one.commit(),
          () => db.raw('select 1'),
        );
      },
      'the end of a block beside that of another one, and queries that fail': () =>
        all(
          () => db.atomic((trx) => trx('t').insert({ id: 1 })),
          () => db.raw('select 1/0'),
          () => db.atomic((trx) => trx.raw('select 1/0')),
          () =>
            db.atomic((trx) =>
              all(
                () => trx.atomic(() => trx('t').insert({ id: 2 })),
                () => trx.atomic(fail),
              ),
            ),
          () => db('t').insert({ id: 1 }),
        ),
      'nested blocks that fail beside queries of the outer one and of the instance': () =>
        db.atomic(async (outer) => {
          await all(
            () => outer.atomic((inner) => inner('t').insert({ id: 1 }).then(fail)),
            () => outer('t').insert({ id: 2 }),
            () => db('t').insert({ id: 3 }),
            () => outer.atomic((inner) => inner.raw('select 1/0')),
            () => db.raw('select 1/0'),
          );
        }),
      'a block that runs out of time beside others': () =>
        all(
          () => db.atomic((trx) => trx.raw('select pg_sleep(30)'), { timeoutMillis: 100 }),
          () => db('t'),
          () => db.atomic((trx) => trx('t').insert({ id: 1 })),
        ),
    };

    for (const [what, work] of Object.entries(WORK)) {
      it(what, async () => {
        for (let time = 0; time < 5; time++)
          await run(db, work).catch((error: unknown) => expect(error).to.be.an('error'));
        expect(overlapping).to.deep.equal([]);
      });
    }

    it('notices the place of a violation, while the watch is on', async () => {
      const raw = (await db.client.acquireConnection()) as Client;
      await Promise.all([query.call(raw, 'select 1'), prototype.query.call(raw, 'select 2')]);
      await db.client.releaseConnection(raw);
      expect(overlapping).to.deep.equal(['select 2']);
    });
  });
}
