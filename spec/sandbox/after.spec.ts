// What is left of a sandbox that is over: nothing for the rest of the instance, a refusal for what it left behind.
import { expect } from 'chai';
import { SandboxError } from '../../lib';
import { type Deferred, defer } from '../../lib/words/waiting';
import { failure, outcome } from '../support/outcome';
import { pidOf, ids, KINDS, useTables, useTablesToFill } from './stage';

describe('after a sandbox', () => {
  const stage = useTables();

  for (const [kind, run] of KINDS) {
    it(`an instance is ambient only if it was before (${kind})`, async () => {
      const db = stage.resettable();
      await run(db, () => db.atomic((trx) => trx('t').insert({ id: 1 })));
      await db.atomic(async (trx) => {
        expect(await pidOf(db)).not.to.equal(await pidOf(trx));
        await db.atomic((other) => other.raw('select 1'), { durable: true });
      });
    });
  }

  it('queries of a timer that it left behind are refused, in a transaction as well', async () => {
    const db = stage.resettable();
    const isOver: Deferred<void> = defer();
    let late: Promise<Error[]> | undefined;
    await db.sandbox(async () => {
      await db('t').insert({ id: 1 });
      late = isOver.promise.then(() =>
        Promise.all([
          failure(db('t').insert({ id: 2 })),
          failure(db.transaction((trx) => trx('t').insert({ id: 2 }))),
          failure(db.transaction()),
          failure(db.atomic((trx) => trx('t').insert({ id: 2 }))),
        ]),
      );
    });
    isOver.resolve();
    for (const error of (await late) as Error[]) expect(error).to.be.an.instanceof(SandboxError);
    expect(await stage.database.query('select * from t')).to.deep.equal([]);
  });
});

describe('close() of a pinned sandbox', () => {
  const stage = useTablesToFill();

  // How many steps a query takes until it asks for its connection is knex's affair.
  for (const isReset of [false, true]) {
    it(`lets no query reach the pool that was asked before it resolved${isReset ? ', after a reset as well' : ''}`, async () => {
      const db = stage.resettable();
      for (let steps = 0; steps < 40; steps++) {
        const sandbox = await db.openSandbox();
        if (isReset) await db.resetConnection();
        let isClosed = false;
        const closed = outcome(sandbox.close()).then(() => {
          isClosed = true;
        });
        for (let step = 0; step < steps; step++) await Promise.resolve();
        const asked = isClosed ? [] : [db('t').insert({ id: 1 }), db.transaction((trx) => trx('t').insert({ id: 2 }))];
        const outcomes = asked.map((each) => outcome(each));
        await closed;
        for (const { error } of await Promise.all(outcomes)) expect(error, `after ${steps} steps`).to.be.an('error');
        expect(await ids(stage), `after ${steps} steps`).to.deep.equal([]);
      }
    });
  }
});
