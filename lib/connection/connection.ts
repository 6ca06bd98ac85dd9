// One raw connection from opening to end: its holder, and whether it may be trusted. What is sent on it is in statement-queue.ts.
import type { Driver } from '../drivers/driver';
import type { StatementSink } from '../drivers/statement-sink';
import { type Deferred, defer } from '../words/waiting';
import { step } from '../words/foreign';
import { Lendable } from './lendable';
import type { Stamp } from './state';

export interface SessionEvents {
  /** The connection is gone, or about to go, without having been asked to. */
  onDeath(connection: Connection, error: Error): void;
  /** A statement failed. */
  onError(connection: Connection, error: unknown): void;
}

/** Returns the object that it is given, so that a class which extends it adds its private field to that object. */
const Given = function (raw: object): object {
  return raw;
} as unknown as new (
  raw: object,
) => object;

/**
 * The session of a raw connection, as a private field of the connection: nobody else can see it, or make it slow. What a WeakMap
 * knows lives until the next full collection, and this is asked for with each query.
 */
class Marked extends Given {
  #session: Connection | undefined;

  static of(raw: object): Connection | undefined {
    return #session in raw ? raw.#session : undefined;
  }

  static mark(raw: object, session: Connection | undefined): void {
    const marked = #session in raw ? raw : new Marked(raw);
    marked.#session = session;
  }
}

/** The session of a raw connection, if it has one now. */
export function connectionOf(raw: object): Connection | undefined {
  return Marked.of(raw);
}

export class Connection extends Lendable implements StatementSink {
  readonly openedAt = Date.now();
  readonly #openedAtTick = performance.now();
  /** The pool has it, or had it: its listeners have heard of it. */
  isPooled = false;
  /** The server's id of the session. */
  readonly backendId: number | undefined;
  /** Of the instance that has lent it to this one, where both share a pool. */
  readonly #earlier: Connection | undefined;
  readonly #events: SessionEvents;
  readonly #untap: () => void;
  #ended: Deferred<void> | undefined;

  constructor(raw: object, driver: Driver, stamp: Stamp, events: SessionEvents) {
    super(raw, driver, stamp);
    this.#events = events;
    this.backendId = driver.backendId(raw);
    this.#untap = driver.tap(raw, this);
    this.#earlier = connectionOf(raw);
    Marked.mark(raw, this);
  }

  /** How long it is known to be open, by a monotonic clock. */
  get ageMillis(): number {
    return performance.now() - this.#openedAtTick;
  }

  /** Resolves when the socket is closed. */
  whenEnded(): Promise<void> {
    if (this.isEnded) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
  }

  protected override failed(error: unknown): void {
    step(() => this.#events.onError(this, error));
  }

  protected override awaitReady(sql: string, error: unknown): () => void {
    const { user } = this;
    return () => {
      if (user !== undefined && user === this.user) step(() => user.readied(sql, error));
    };
  }

  hasFailed(error: unknown): void {
    this.failed(error);
  }

  died(error: Error): void {
    if (this.death !== undefined) return;
    const death = this.health.die(error, this.user?.isCommitting ?? false);
    if (this.refusal === undefined) step(() => this.#events.onDeath(this, death));
    this.abandon(death);
    step(() => this.user?.lost(death));
  }

  ended(isOrderly: boolean): void {
    this.health.socketClosed(isOrderly);
    // The instance that it is lent to may be closing it.
    const { closing } = connectionOf(this.raw) ?? this;
    if (closing === undefined) this.died(new Error('Connection terminated unexpectedly'));
    this.end();
    this.#ended?.resolve();
  }

  /** Sends statements of this package's own, up to the first that fails: in one message where the driver can. */
  async sendAll(statements: string[]): Promise<unknown> {
    if (this.driver.takesScripts) return this.send(statements.join('; '));
    for (const sql of statements) await this.send(sql);
    return undefined;
  }

  /** The instance that has lent it to this one has it to itself again, and knows how it ended. */
  override closed(): void {
    super.closed();
    if (!this.#earlier) return;
    this.#earlier.health.closedElsewhere(this.health);
    Marked.mark(this.raw, this.#earlier);
  }

  /** Gives the connection back as it was found. */
  untap(): void {
    step(this.#untap);
    Marked.mark(this.raw, this.#earlier);
  }
}
