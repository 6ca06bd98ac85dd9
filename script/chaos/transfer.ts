// One transfer between two accounts, in one of the ways that users write transactions, and what its caller was told.
import type { Knex } from 'knex';
import { AfterCommitError, type AtomicOptions, atomic, CommitUnknownError, type Resettable } from '../../lib';
import type { Random } from './random';
import { ACCOUNTS, type LedgerRow, pause, type World } from './world';

export type Db = Knex & Resettable;

export interface Told {
  row: LedgerRow;
  outcome: 'acknowledged' | 'unknown' | 'rejected';
  attempts: number;
  /** How often its afterCommit hook ran; undefined where it had none. */
  hooked: number | undefined;
  /** Answers of the database that cannot be those to what was asked. */
  oddities: string[];
  error?: unknown;
}

/** Thrown on purpose: such a transfer must leave nothing. */
export class Refused extends Error {}

export class Transfer {
  readonly told: Told;
  readonly #random: Random;

  constructor(id: number, random: Random) {
    const [payer, payee] = [random.between(0, ACCOUNTS - 1), random.between(0, ACCOUNTS - 1)];
    const row = { id, payer, payee, amount: random.between(1, 100) };
    this.told = { row, outcome: 'rejected', attempts: 0, hooked: undefined, oddities: [] };
    this.#random = random;
  }

  async run(db: Db, world: World): Promise<void> {
    try {
      const kind = this.#random.next();
      if (kind < 0.7) await this.#asBlock(db, world);
      else if (kind < 0.85) await db.transaction((trx) => this.#move(trx));
      else await this.#byHandle(db);
      this.told.outcome = 'acknowledged';
    } catch (error) {
      this.told.error = error;
      if (error instanceof AfterCommitError) this.told.outcome = 'acknowledged';
      else if (error instanceof CommitUnknownError) this.told.outcome = 'unknown';
    }
  }

  async #asBlock(db: Db, world: World): Promise<void> {
    const { told } = this;
    const random = this.#random;
    const options: AtomicOptions = { label: `transfer ${told.row.id}` };
    if (random.chance(0.7)) options.retry = { attempts: random.between(2, 6), maxDelayMillis: 200 };
    if (world.verifiesCommits && random.chance(0.5)) options.verifyCommit = true;
    if (random.chance(0.1)) options.timeoutMillis = random.between(5, 2000);
    if (random.chance(0.05)) options.signal = AbortSignal.timeout(random.between(1, 500));
    const isHookFailing = random.chance(0.02);
    told.hooked = 0;
    await db.atomic(async (trx) => {
      trx.afterCommit(() => {
        told.hooked = (told.hooked ?? 0) + 1;
        if (isHookFailing) throw new Error('a hook that fails');
      });
      await this.#move(trx);
    }, options);
  }

  async #byHandle(db: Db): Promise<void> {
    const trx = await db.transaction();
    try {
      await this.#move(trx);
    } catch (error) {
      await trx.rollback();
      throw error;
    }
    await trx.commit();
  }

  async #move(trx: Knex.Transaction): Promise<void> {
    const { row } = this.told;
    const random = this.#random;
    this.told.attempts++;
    await trx('ledger').insert(row);
    if (random.chance(0.2))
      await atomic(trx, async (inner) => void (await inner('ledger').insert(row))).catch(() => {});
    if (random.chance(0.2)) await pause(random.between(0, 30));
    if (random.chance(0.1)) await this.#readAll(trx);
    this.#expect('rows debited', 1, await trx('accounts').where({ id: row.payer }).decrement('balance', row.amount));
    const pay = async (inner: Knex.Transaction) =>
      this.#expect(
        'rows credited',
        1,
        await inner('accounts').where({ id: row.payee }).increment('balance', row.amount),
      );
    if (random.chance(0.3)) await atomic(trx, pay);
    else await pay(trx);
    if (random.chance(0.05)) throw new Refused('the bank says no');
  }

  /** As a stream, whose end a limit or a fault may bring about. */
  async #readAll(trx: Knex.Transaction): Promise<void> {
    let rows = 0;
    for await (const row of trx('accounts').select('id').stream({ highWaterMark: 3 })) if ('id' in row) rows++;
    this.#expect('rows read', ACCOUNTS, rows);
  }

  #expect(what: string, expected: number, found: unknown): void {
    if (found !== expected) this.told.oddities.push(`${what}: ${String(found)}`);
  }
}
