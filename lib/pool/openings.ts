// Connections that are being opened: fenced off by a reset, and with settings that are asked for again where they are in doubt.
import type { Openings as RawOpenings } from '../drivers/driver';
import { type Deferred, defer, nextTurn } from '../words/waiting';
import type { PoolHost } from './pool-host';
import { type Connection, connectionOf } from '../connection/connection';

/** When an opening started: what is open by the end of a reset is not for those who come after. */
export interface Stamp {
  generation: number;
  evictionCount: number;
}

/** The pool that opens them. */
interface Opener extends Readonly<Stamp> {
  readonly host: PoolHost;
  /** The real pool of now. */
  readonly lender: object | undefined;
  /** Somebody waits, who may be served. */
  readonly isWanted: boolean;
  track(raw: object, stamp?: Stamp): Connection;
  discard(connection: Connection): Promise<unknown>;
}

export class Openings implements RawOpenings {
  readonly #pool: Opener;
  /** Raw connections; the driver tells of them. */
  readonly #raw = new Set<object>();
  /** Openings that have not come to an end, those included that wait for settings. */
  #creating = 0;
  #ended: Deferred<void> | undefined;
  /** How often there was reason to ask for the connection settings again, and how many of those were answered since. */
  #doubts = 0;
  #settled = 0;

  constructor(pool: Opener) {
    this.#pool = pool;
  }

  /** Raw connections that are not open yet. */
  get size(): number {
    return this.#raw.size;
  }

  /** Also while the settings are asked for, before there is a raw connection. */
  get isOpening(): boolean {
    return this.#raw.size > 0 || this.#creating > 0;
  }

  add(raw: object): void {
    this.#raw.add(raw);
  }

  delete(raw: object): void {
    this.#raw.delete(raw);
  }

  /** Resolves when no connection is being opened. */
  whenNothingOpens(): Promise<void> {
    if (this.#creating === 0) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
  }

  /** Gives up those that are not open yet. */
  cut(): void {
    for (const raw of this.#raw) this.#pool.host.driver.destroySocket(raw);
    this.#raw.clear();
  }

  /** What connections were opened with may lead nowhere by now: those to come are not opened before it was asked for again. */
  invalidateSettings(): void {
    this.#doubts++;
  }

  /** Opens one by knex's own means. */
  async create(make: () => Promise<object>): Promise<object> {
    const pool = this.#pool;
    const { generation, evictionCount, lender } = pool;
    const doubts = this.#doubts;
    this.#creating++;
    try {
      const raw = await (doubts > this.#settled ? pool.host.makeAfresh(make) : make());
      this.#settled = Math.max(this.#settled, doubts);
      const connection = pool.track(raw, { generation, evictionCount });
      const preparing = pool.host.opened(raw);
      if (preparing) await preparing;
      if (pool.generation === generation) return raw;
      await pool.discard(connection);
      throw new Error('opened for a generation that a reset has ended');
    } catch (error) {
      this.invalidateSettings();
      // A reset that kept the pool has ended an opening that somebody relies on who asked after it.
      const isEnded = generation !== pool.generation;
      if (isEnded && lender !== undefined && lender === pool.lender && pool.isWanted) return await this.create(make);
      throw error;
    } finally {
      void this.#ends();
    }
  }

  /** Takes over one that was being opened before the instance was resettable. */
  adopt(opening: Promise<object>): void {
    const pool = this.#pool;
    const { generation } = pool;
    const adopted = async () => {
      this.#creating++;
      try {
        const raw = await opening;
        const connection = connectionOf(raw) ?? pool.track(raw);
        if (generation !== pool.generation) await pool.discard(connection);
      } finally {
        void this.#ends();
      }
    };
    adopted().catch(() => {});
  }

  /** One has come to its end. It counts for a turn more: the real pool has to hear of a failure first, and tells it to whoever waits there then. */
  async #ends(): Promise<void> {
    await nextTurn();
    this.#creating--;
    if (this.#creating > 0) return;
    this.#ended?.resolve();
    this.#ended = undefined;
  }
}
