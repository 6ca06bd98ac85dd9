// Blocks on a small pool with resets at random: whatever the order, everything settles, nothing leaks, no acknowledged row is lost.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { defer } from '../../lib/words/waiting';
import { casesOf } from '../support/in-soak';
import { type Outcome, outcome } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

const BLOCKS = 100;

/** A small generator, so that a failing run can be repeated by its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe('resetConnection() at random', () => {
  const stage = useStage();
  before(() => stage.database.query('create table acknowledged (seed bigint, id int)'));
  afterEach(() => stage.database.query('truncate acknowledged'));

  const seedNow = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 1e9));
  const all = casesOf(0, 1, 2, 3, 4).flatMap((n) =>
    (['reject', 'requeue'] as const).map((waiting) => ({ waiting, seed: seedNow + n })),
  );
  for (const { waiting, seed } of all) {
    it(`loses and leaks nothing in ${BLOCKS} blocks, waiting: '${waiting}' (SOAK_SEED=${seed})`, async function () {
      this.timeout(60_000);
      const random = randomFrom(seed);
      const db = stage.resettable({ pool: { max: 5 } });

      const acknowledgedOne = defer();
      const blocks = Array.from({ length: BLOCKS }, async (_, id): Promise<Outcome<number>> => {
        await pause(random() * 400);
        const [kind, first, second] = [random(), random() * 0.02, random() * 0.02];
        const settled = await outcome(
          db.transaction(async (trx) => {
            await trx.raw('select pg_sleep(?)', [first]);
            if (kind < 0.3) await trx.transaction((inner) => inner('acknowledged').insert({ seed, id }));
            else await trx('acknowledged').insert({ seed, id });
            await trx.raw('select pg_sleep(?)', [second]);
            return id;
          }),
        );
        if (settled.value !== undefined) acknowledgedOne.resolve();
        return settled;
      });
      let isOver = false;
      const resets = (async () => {
        // However slow the machine, one block gets through.
        await acknowledgedOne.promise;
        while (!isOver) {
          await pause(random() * 30);
          await db.resetConnection({ waiting, graceMillis: random() < 0.3 ? 5 : 0 });
        }
      })();

      const outcomes = await Promise.all(blocks);
      isOver = true;
      await resets;

      for (const { error } of outcomes) if (error !== undefined) expect(error).to.be.an.instanceof(ResetError);
      const acknowledged = outcomes.flatMap(({ value }) => (value === undefined ? [] : [value]));
      const stored = await stage.database.query<{ id: number }>('select id from acknowledged order by id');
      expect(stored.map(({ id }) => id)).to.deep.equal(acknowledged.sort((one, other) => one - other));
      expect(acknowledged.length).to.be.within(1, BLOCKS - 1);
      await until('nothing is in use', () => db.client.pool.numUsed() === 0);
      expect(db.connectionState()).to.deep.include({ transactions: [], resetting: false });
      await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal({ backends: [], locks: [] });
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  }

  function pause(millis: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, millis));
  }
});
