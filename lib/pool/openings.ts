// Connections that are being opened: fenced off by a reset, and with settings that are asked for again where they are in doubt.
import type { Openings as RawOpenings } from '../drivers/driver';
import { type Deferred, defer, nextTurn } from '../waiting';
import type { PoolHost } from './pool-host';
import { type Session, sessionOf } from './session';

/** When an opening started: what is open by the end of a reset is not for those who come after. */
export interface Stamp {
  generation: number;
  epoch: number;
}

/** The pool that opens them. */
interface Opener extends Readonly<Stamp> {
  readonly host: PoolHost;
  /** The real pool of now. */
  readonly lender: object | undefined;
  /** Somebody waits, who may be served. */
  readonly isWanted: boolean;
  track(connection: object, stamp?: Stamp): Session;
  discard(session: Session): Promise<unknown>;
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

  add(connection: object): void {
    this.#raw.add(connection);
  }

  delete(connection: object): void {
    this.#raw.delete(connection);
  }

  /** Resolves when no connection is being opened. */
  whenNothingOpens(): Promise<void> {
    if (this.#creating === 0) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
  }

  /** Gives up those that are not open yet. */
  cut(): void {
    for (const connection of this.#raw) this.#pool.host.driver.cut(connection);
    this.#raw.clear();
  }

  /** What connections were opened with may lead nowhere by now: those to come are not opened before it was asked for again. */
  doubtSettings(): void {
    this.#doubts++;
  }

  /** Opens one by knex's own means. */
  async create(make: () => Promise<object>): Promise<object> {
    const pool = this.#pool;
    const { generation, epoch, lender } = pool;
    const doubts = this.#doubts;
    this.#creating++;
    try {
      const connection = await (doubts > this.#settled ? pool.host.makeAfresh(make) : make());
      this.#settled = Math.max(this.#settled, doubts);
      const session = pool.track(connection, { generation, epoch });
      const preparing = pool.host.opened(connection);
      if (preparing) await preparing;
      if (pool.generation === generation) return connection;
      await pool.discard(session);
      throw new Error('opened for a generation that a reset has ended');
    } catch (error) {
      this.doubtSettings();
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
        const connection = await opening;
        const session = sessionOf(connection) ?? pool.track(connection);
        if (generation !== pool.generation) await pool.discard(session);
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
