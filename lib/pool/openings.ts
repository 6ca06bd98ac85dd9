// Tracks connections that are being opened. A reset fences them off; settings that may be out of date are asked for again.
import type { Openings as RawOpenings } from '../drivers/openings';
import { inBackground, isA } from '../words/foreign';
import { type Deadline, type Deferred, defer, nextTurn, type TimeLimit, within } from '../words/waiting';
import { type Connection, connectionOf } from '../connection/connection';
import { type AcquireQueue, closedBefore, EndedOpening } from './acquire-queue';
import type { PoolHost } from './pool-host';
import type { RealPools } from './real-pools';
import type { Register } from './register';
import type { Stamp } from '../connection/state';

/** How long a server may take to notice that a socket has closed before it had logged in: nothing else tells. */
const NOTICE_MILLIS = 10;

/** Of none that is lent. */
const OUTDATED: Stamp = { generation: -1, evictionCount: -1 };

/** The parts of the pool that they are opened for. */
interface Parts {
  readonly host: PoolHost;
  readonly queue: AcquireQueue;
  readonly real: RealPools;
  readonly register: Register;
}

export class Openings implements RawOpenings {
  readonly #pool: Parts;
  /** Raw connections; the driver tells of them. */
  readonly #raw = new Set<object>();
  /** The openings that have not ended, those that wait for settings included. */
  readonly #creating = new Set<symbol>();
  /** Of those that knex has forgotten. */
  readonly #forsaken = new Set<object>();
  #ended: Deferred<void> | undefined;
  /** How often there was reason to ask for the connection settings again, and how many of those were answered since. */
  #doubts = 0;
  #settled = 0;
  /** Why the latest opening failed. Undefined after one that succeeded. */
  failure: unknown;

  constructor(pool: Parts) {
    this.#pool = pool;
  }

  /** Raw connections that are not open yet. */
  get size(): number {
    return this.#raw.size;
  }

  /** Also while the settings are asked for, before there is a raw connection. */
  get isOpening(): boolean {
    return this.#raw.size > 0 || this.#creating.size > 0;
  }

  add(raw: object): void {
    this.#raw.add(raw);
  }

  delete(raw: object): void {
    this.#raw.delete(raw);
  }

  /** Resolves when no connection is being opened. */
  whenNothingOpens(): Promise<void> {
    if (this.#creating.size === 0) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
  }

  /** Gives up openings that have not ended, also those in which the user's `afterCreate` never calls back. */
  cut(deadline: Deadline): Promise<unknown> | undefined {
    if (!this.isOpening && this.#forsaken.size === 0) return undefined;
    const raws = [...this.#raw, ...this.#forsaken];
    this.#raw.clear();
    this.#creating.clear();
    this.#tellEnded();
    return within(deadline, Promise.all(raws.map((raw) => this.#end(raw, deadline))));
  }

  /** Opens one by the driver. Knex forgets it where its first statement fails. */
  acquireRaw(open: () => Promise<object>): Promise<object> {
    const others = this.#raw.size;
    const opening = open();
    const made = [...this.#raw].slice(others);
    return Promise.resolve(opening).catch((error: unknown) => {
      for (const raw of made) this.forsake(raw);
      throw error;
    });
  }

  /** Closes one that knex has opened, and does not give to the pool. */
  forsake(raw: object): void {
    if (!this.#raw.delete(raw)) return;
    this.#forsaken.add(raw);
    inBackground(this.#end(raw, this.#pool.host.timeoutMillis).finally(() => this.#forsaken.delete(raw)));
  }

  async #end(raw: object, limit: TimeLimit): Promise<void> {
    const { driver } = this.#pool.host;
    if (driver.backendId(raw) !== undefined && !driver.isGone(raw)) {
      await this.#pool.register.discard(this.#tracked(raw, OUTDATED), limit);
    } else {
      driver.destroySocket(raw);
      await within(NOTICE_MILLIS, new Promise(() => {}));
    }
  }

  /** What connections were opened with may lead nowhere by now: those to come are not opened before it was asked for again. */
  invalidateSettings(): void {
    this.#doubts++;
  }

  /** Opens one by knex's own means. */
  create(make: () => Promise<object>): Promise<object> {
    return this.#counted(() => this.#open(make));
  }

  async #open(make: () => Promise<object>): Promise<object> {
    const { host, queue, real, register } = this.#pool;
    const opener = real.present;
    const doubts = this.#doubts;
    const { stamp } = register;
    const isEnded = () => stamp.generation !== register.stamp.generation;
    try {
      const raw = await (doubts > this.#settled ? host.makeAfresh(make) : make());
      this.#settled = Math.max(this.#settled, doubts);
      const connection = this.#tracked(raw, stamp);
      const preparing = host.recovery.opened(connection);
      if (preparing) await this.#prepared(connection, preparing);
      this.failure = undefined;
      if (!isEnded()) return raw;
      await register.discard(connection);
      throw new EndedOpening('opened for a generation that a reset has ended');
    } catch (error) {
      this.invalidateSettings();
      if (!isEnded() && !isA(error, EndedOpening)) this.failure = error;
      // A reset that kept the pool has ended this opening, or the death of another one, but a request relies on it.
      else if (opener !== undefined && opener === real.present && queue.isServing) return await this.#open(make);
      throw error;
    }
  }

  /** One that is of no use is closed. */
  async #prepared(connection: Connection, preparing: Promise<unknown>): Promise<void> {
    try {
      await preparing;
    } catch (error) {
      inBackground(this.#pool.register.discard(connection));
      // What it fails of itself evicts it too, and would be met by the next one as well.
      const isItsOwn = connection.death !== undefined || connection.fatal !== undefined;
      const isEvicted = this.#pool.register.isEvicted(connection) && !isItsOwn;
      throw isEvicted ? new EndedOpening('closed because another connection has died', { cause: error }) : error;
    }
  }

  /** Takes over one that was being opened before the instance was resettable. */
  adopt(opening: Promise<object>): void {
    const { register } = this.#pool;
    const { stamp } = register;
    const adopted = async () => {
      const connection = this.#tracked(await opening, stamp);
      register.pooled(connection.raw);
      if (stamp.generation !== register.stamp.generation) await register.discard(connection);
    };
    this.#counted(adopted).catch(() => {});
  }

  /** One that has failed counts for one more turn: the real pool must get the failure first, and passes it to its pending acquires. */
  async #counted<T>(open: () => Promise<T>): Promise<T> {
    const attempt = Symbol();
    const ends = () => {
      this.#creating.delete(attempt);
      if (this.#creating.size === 0) this.#tellEnded();
    };
    this.#creating.add(attempt);
    try {
      const opened = await open();
      ends();
      return opened;
    } catch (error) {
      inBackground(nextTurn().then(ends));
      throw error;
    }
  }

  #tellEnded(): void {
    this.#ended?.resolve();
    this.#ended = undefined;
  }

  #tracked(raw: object, stamp: Stamp): Connection {
    this.#raw.delete(raw);
    const known = connectionOf(raw);
    // It may still have a transaction that was aborted, and what this package knows of it is over.
    if (known?.state.is === 'closed') throw closedBefore();
    return known ?? this.#pool.register.trackOpening(raw, stamp);
  }
}
