// All forms of transactions at once, under a limit for each and with resets: hooks from anywhere tell the truth, what is outside stays.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit, afterRollback, isFatal } from '../../lib';
import { casesOf } from '../support/in-soak';
import { never } from '../support/outcome';
import { until } from '../support/until';
import { type AnyError, useStage } from '../transaction/stage';

const WORKERS = 30;
const ROUNDS = 5;
const LIMIT = 150;
/** Two for each of so many workers at a time, or they wait for each other's second one. */
const POOL = 12;

const EXPECTED = new Set(['ERR_RESET', 'ERR_COMMIT_UNKNOWN', 'ERR_TRANSACTION_TIMEOUT', 'ERR_MINE']);
const mine = () => Object.assign(new Error('mine'), { code: 'ERR_MINE' });

describe('transactions of all forms, with a limit for each', () => {
  const options = { ambient: true, transactionTimeoutMillis: LIMIT };
  const stage = useStage(options, { pool: { max: POOL }, acquireConnectionTimeout: 15_000 });

  before(() => stage.database.query('create table audit (id int)'));

  interface Tally {
    acknowledged: number[];
    failed: number[];
    unknown: number[];
    hooked: number[];
    undone: number[];
    audited: number[];
    odd: AnyError[];
  }

  /** Code that is handed a transaction, or an instance inside one. */
  async function store(dbOrTrx: Knex, id: number, random: () => number, tally: Tally): Promise<void> {
    await afterCommit(dbOrTrx, () => void tally.hooked.push(id));
    await afterRollback(dbOrTrx, () => void tally.undone.push(id));
    await dbOrTrx('t').insert({ id });
    const chance = random();
    if (chance < 0.1) throw mine();
    if (chance < 0.2) await never();
    if (chance < 0.3) await dbOrTrx.raw('select pg_sleep(10)');
    if (chance < 0.5) await dbOrTrx.raw('select pg_sleep(0.01)');
  }

  async function byHandle(id: number, random: () => number, tally: Tally): Promise<void> {
    const trx = random() < 0.5 ? await stage.db.transaction() : await stage.db.transactionProvider()();
    // One that is forgotten is ended at the limit, which its promise tells.
    if (random() < 0.2) {
      await store(trx, id, () => 1, tally);
      return void (await trx.executionPromise);
    }
    const work = store(trx, id, random, tally);
    try {
      // Its callback may hang: whoever waits for it waits for the transaction, too.
      await Promise.race([work, trx.executionPromise.then(never)]);
    } catch (error) {
      work.catch(() => {});
      await trx.rollback(error);
      throw error;
    }
    await trx.commit();
  }

  function run(id: number, random: () => number, tally: Tally): Promise<unknown> {
    const { db } = stage;
    const chance = random();
    if (chance < 0.25) return byHandle(id, random, tally);
    if (chance < 0.45) return db.transaction((trx) => store(trx, id, random, tally));
    if (chance < 0.6) return db.transaction((trx) => trx.transaction((inner) => store(inner, id, random, tally)));
    return db.atomic(async () => {
      await db.outside(() => db('audit').insert({ id }));
      tally.audited.push(id);
      await store(db, id, random, tally);
    });
  }

  async function work(id: number, random: () => number, tally: Tally): Promise<void> {
    try {
      await run(id, random, tally);
      tally.acknowledged.push(id);
    } catch (error) {
      const { code = '' } = error as AnyError;
      if (!EXPECTED.has(code) && !isFatal(error) && code !== '57014') tally.odd.push(error as AnyError);
      (code === 'ERR_COMMIT_UNKNOWN' ? tally.unknown : tally.failed).push(id);
    }
  }

  for (const seed of casesOf(1, 2, 3, 4, 5)) {
    it(`settle, and their hooks and audits tell the truth (seed ${seed})`, async function () {
      this.timeout(60_000);
      await stage.database.query('truncate t, audit');
      let state = seed;
      const random = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      const tally: Tally = { acknowledged: [], failed: [], unknown: [], hooked: [], undone: [], audited: [], odd: [] };
      let isOver = false;
      const resets = async () => {
        while (!isOver) {
          await new Promise((resolve) => setTimeout(resolve, 40 + random() * 100));
          await stage.db.resetConnection({ waiting: 'requeue', graceMillis: random() < 0.5 ? 0 : 30 });
        }
      };
      const resetting = resets();
      const workers = Array.from({ length: WORKERS }, async (_, worker) => {
        for (let round = 0; round < ROUNDS; round++) await work(worker * ROUNDS + round, random, tally);
      });
      await Promise.all(workers);
      isOver = true;
      await resetting;

      expect(tally.odd.map(({ code, message }) => `${code} ${message}`)).to.deep.equal([]);
      expect(Math.min(tally.acknowledged.length, tally.failed.length)).to.be.greaterThan(5);
      await stage.idle();
      const sorted = (ids: number[]) => ids.toSorted((a, b) => a - b);
      const stored = await stage.ids();
      const known = new Set(tally.unknown);
      expect(stored.filter((id) => !known.has(id))).to.deep.equal(sorted(tally.acknowledged));
      // Those that were told "unknown" have neither of the two hooks.
      await until('the hooks of the last rollback ran', () => tally.undone.length <= tally.failed.length);
      expect(sorted(tally.hooked)).to.deep.equal(sorted(tally.acknowledged));
      expect(tally.undone.filter((id) => !tally.failed.includes(id))).to.deep.equal([]);
      const audit = (await stage.database.query<{ id: number }>('select id from audit')).map(({ id }) => id);
      expect(audit).to.include.members(tally.audited);
      await until('no transaction is open on the server', async () =>
        (await stage.database.backends()).every(({ state: is }) => is !== 'idle in transaction'),
      );
    });
  }
});
