// Everything at once: many transfers on a small pool while connections are killed, resets come, limits strike.
import { expect } from 'chai';
import { type Atomic, type AtomicOptions, type AtomicTransaction, isFatal } from '../../lib';
import { casesOf } from '../support/in-soak';
import { until } from '../support/until';
import { type AnyError, rejection, useStage } from './stage';

const ACCOUNTS = 10;
/** Each of so many at a time, one after the other. */
const ROUNDS = 4;
const WORKERS = 100;
const POOL = 5;

/** Errors with which a transfer may end that was not acknowledged, beside those of a lost connection. */
const EXPECTED = new Set([
  'ERR_RESET',
  'ERR_COMMIT_UNKNOWN',
  'ERR_TRANSACTION_TIMEOUT',
  'ERR_MINE',
  'ERR_ABORTED',
  '40P01',
  '40001',
]);

/** In turn, so that each comes soon, however few there are; at random moments. */
const BLOWS = ['kill', 'cut', 'reset', 'kill', 'none', 'kill', 'cut', 'kill', 'none', 'kill'] as const;

interface Tally {
  acknowledged: Set<number>;
  unknown: Set<number>;
  failed: Set<number>;
  /** Of the acknowledged ones: those whose afterCommit hook ran. */
  hooked: number[];
  odd: AnyError[];
}

describe('100 concurrent blocks on a pool of 5', () => {
  const stage = useStage(undefined, { pool: { max: POOL }, acquireConnectionTimeout: 15_000 });

  before(() => stage.database.query('create table transfers (id int primary key)'));

  /** The same numbers in every run. */
  function randomFrom(seed: number): () => number {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
  }

  async function transfer(id: number, random: () => number, tally: Tally): Promise<void> {
    const [from, to] = [Math.floor(random() * ACCOUNTS), Math.floor(random() * ACCOUNTS)];
    const amount = 1 + Math.floor(random() * 50);
    const isFailing = random() < 0.1;
    const controller = new AbortController();
    const options: AtomicOptions = { label: `transfer ${id}` };
    const chance = random();
    if (chance < 0.1) options.timeoutMillis = 1 + Math.floor(random() * 60);
    else if (chance < 0.2) options.signal = controller.signal;
    else if (chance < 0.5) options.retry = { attempts: 5, maxDelayMillis: 20 };
    else if (chance < 0.7) Object.assign(options, { verifyCommit: true, retry: 3 });

    const block = async (trx: AtomicTransaction) => {
      trx.afterCommit(() => void tally.hooked.push(id));
      await trx('transfers').insert({ id });
      await trx('accounts').where({ id: from }).decrement('balance', amount);
      if (options.signal && random() < 0.7) setTimeout(() => controller.abort(coded('ERR_ABORTED')), random() * 20);
      if (random() < 0.4) await trx.raw(`select pg_sleep(${random() * 0.03})`);
      if (random() < 0.3)
        await rejection(trx.atomic((nested) => nested('transfers').insert({ id }) as never)).catch(() => {});
      const add = (inner: AtomicTransaction) => inner('accounts').where({ id: to }).increment('balance', amount);
      await (random() < 0.5 ? trx.atomic((nested) => add(nested) as never) : add(trx));
      if (isFailing) throw coded('ERR_MINE');
    };
    try {
      await (stage.db.atomic as Atomic)(block, options);
      tally.acknowledged.add(id);
    } catch (error) {
      const { code = '' } = error as AnyError;
      if (!EXPECTED.has(code) && !isFatal(error)) tally.odd.push(error as AnyError);
      (code === 'ERR_COMMIT_UNKNOWN' ? tally.unknown : tally.failed).add(id);
    }
  }

  const coded = (code: string) => Object.assign(new Error(code), { code });

  /** Hurts the instance until it is told to stop. */
  async function havoc(
    random: () => number,
    tally: Tally,
    isOver: () => boolean,
  ): Promise<{ kills: number; resets: number; cuts: number }> {
    const done = { kills: 0, resets: 0, cuts: 0 };
    for (let blow = 0; !isOver(); blow++) {
      // However slow the machine, one transfer gets through between two blows.
      const before = tally.acknowledged.size;
      do await new Promise((resolve) => setTimeout(resolve, 10 + random() * 40));
      while (!isOver() && tally.acknowledged.size === before);
      const kind = BLOWS[blow % BLOWS.length];
      if (kind === 'kill') {
        const backends = (await stage.database.backends()).filter(({ application_name: name }) => name === '');
        const victim = backends[Math.floor(random() * backends.length)];
        if (!victim) continue;
        await stage.database.observer.query('select pg_terminate_backend($1)', [victim.pid]);
        done.kills++;
      } else if (kind === 'cut') {
        stage.proxy[random() < 0.5 ? 'cutBefore' : 'cutAfter'](/COMMIT/);
        done.cuts++;
      } else if (kind === 'reset') {
        await stage.db.resetConnection({ waiting: random() < 0.7 ? 'requeue' : 'reject' });
        done.resets++;
      }
    }
    return done;
  }

  for (const seed of casesOf(1, 2, 3)) {
    it(`settle, and lose or invent nothing (seed ${seed})`, async () => {
      await stage.database.query('truncate transfers');
      await stage.database.query(`insert into accounts select id, 1000 from generate_series(0, ${ACCOUNTS - 1}) id`);
      const random = randomFrom(seed);
      const tally: Tally = { acknowledged: new Set(), unknown: new Set(), failed: new Set(), hooked: [], odd: [] };
      let isOver = false;
      const chaos = havoc(random, tally, () => isOver);
      const workers = Array.from({ length: WORKERS }, async (_, worker) => {
        for (let round = 0; round < ROUNDS; round++) await transfer(worker * ROUNDS + round, random, tally);
      });
      await Promise.all(workers);
      isOver = true;
      const done = await chaos;

      expect(tally.odd.map(({ code, message, cause }) => `${code} ${message} ${String(cause)}`)).to.deep.equal([]);
      expect(tally.acknowledged.size + tally.unknown.size + tally.failed.size).to.equal(WORKERS * ROUNDS);
      expect(tally.acknowledged.size).to.be.greaterThan(WORKERS / 10);
      expect(done.kills * done.resets * done.cuts).to.be.greaterThan(0);

      await stage.idle();
      await stage.db.resetConnection();
      expect(stage.db.connectionState()).to.deep.include({
        connections: { idle: 0, inUse: 0, opening: 0, waiting: 0 },
        transactions: [],
      });
      await until('no backend is left', async () => (await stage.database.backends()).length === 0);

      const [{ sum } = { sum: 0 }] = await stage.database.query('select sum(balance)::int as sum from accounts');
      expect(sum).to.equal(ACCOUNTS * 1000);
      const stored = (await stage.database.query('select id from transfers')).map(({ id }) => id as number);
      const lost = [...tally.acknowledged].filter((id) => !stored.includes(id));
      const invented = stored.filter((id) => tally.failed.has(id));
      expect({ lost, invented }).to.deep.equal({ lost: [], invented: [] });
      expect(tally.hooked.toSorted((a, b) => a - b)).to.deep.equal([...tally.acknowledged].sort((a, b) => a - b));
    });
  }
});
