// The one pool that knex sees for the life of the instance. Behind it stand generations of real pools; a reset ends a generation.
import type { KnexPool } from '../knex/pool-shape';
import type { Guards, PendingAcquire, TarnPool } from '../knex/tarn';
import { type Connection, connectionOf } from '../connection/connection';
import { step } from '../words/foreign';
import { type Deadline, type TimeLimit, within } from '../words/waiting';
import { AcquireQueue, type TurnedAway } from './acquire-queue';
import { Lending } from './lending';
import { Openings } from './openings';
import type { PoolHost } from './pool-host';
import { type Listener, RealPools } from './real-pools';
import { Register } from './register';

export class ResettablePool implements KnexPool {
  readonly host: PoolHost;
  readonly queue = new AcquireQueue();
  readonly real: RealPools;
  readonly register: Register;
  readonly openings: Openings;
  readonly lending: Lending;

  constructor(host: PoolHost) {
    this.host = host;
    this.real = new RealPools(() => host.build());
    this.register = new Register(this);
    this.openings = new Openings(this);
    this.lending = new Lending(this);
  }

  /** What knex's own making, checking and closing of connections is wrapped in. */
  readonly guards: Guards = {
    create: (make) => this.openings.create(make),
    opened: (raw) => this.register.pooled(raw),
    isFit: (raw) => this.lending.isFit(raw),
    validate: (raw, check) => this.lending.validate(raw, check),
    destroy: (raw, close) => this.register.close(raw, close),
  };

  /** Takes over what the instance had before, connections that are out included. */
  takeOverPool(first: TarnPool): void {
    const { real, register, openings } = this;
    real.beginWith(first);
    const { used, free } = first.residents();
    for (const raw of used) register.track(raw).lend();
    for (const raw of free) register.track(raw);
    const { acquires, creates } = first.underWay();
    for (const pending of acquires) this.lending.adopt(pending);
    for (const creating of creates) openings.adopt(creating);
  }

  // What knex calls.

  acquire(): { promise: Promise<object> } {
    return { promise: this.lending.ask(this.host.recording.take()) };
  }

  release(raw: object): boolean {
    return this.lending.giveBack(raw);
  }

  /** What `knex.destroy()` calls, also that of a copy made before the instance was resettable. */
  destroy(): Promise<unknown> {
    return this.host.destroy();
  }

  /**
   * What is asked on a connection of the user's own while a reset runs waits for its end as well. On one of ours its borrower goes on. After
   * `destroy()` it needs no pool.
   */
  whenFree(raw: object): Promise<void> | undefined {
    const { queue, register } = this;
    const known = connectionOf(raw);
    if (!queue.isGateClosed || queue.isClosed || (known && register.connections.has(known))) return undefined;
    return queue.passed({ askedAt: undefined, enclosing: undefined, isEarlier: false, verdict: undefined }, () => {});
  }

  // What people and metric exporters read.

  /** Like tarn's: whether `knex.destroy()` was called. */
  get destroyed(): boolean {
    return this.queue.isClosed;
  }

  get min(): number {
    return this.real.min;
  }

  get max(): number {
    return this.real.max;
  }

  numUsed(): number {
    return this.real.present?.numUsed() ?? 0;
  }

  numFree(): number {
    return this.real.present?.numFree() ?? 0;
  }

  numPendingAcquires(): number {
    return (this.real.present?.numPendingAcquires() ?? 0) + this.queue.heldAtGate;
  }

  numPendingCreates(): number {
    return this.real.present?.numPendingCreates() ?? 0;
  }

  numPendingValidations(): number {
    return this.real.present?.numPendingValidations() ?? 0;
  }

  on(event: string, listener: Listener): void {
    this.real.on(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    this.real.removeListener(event, listener);
  }

  removeAllListeners(event: string): void {
    this.real.removeAllListeners(event);
  }

  // What concerns several of its parts.

  /** The requests that wait, for a connection or at the gate. */
  get waiting(): number {
    return this.queue.waiting + this.queue.heldAtGate;
  }

  /** Nothing that was opened so far is lent again. */
  beginGeneration(): void {
    this.register.beginGeneration();
    // Also where every connection had died already: the next one may have to go elsewhere.
    this.openings.invalidateSettings();
  }

  /** Connections opened so far are not lent again. Closes the idle ones now, busy ones when they come back. Resolves when the idle ones are closed. */
  async evict(): Promise<void> {
    this.openings.invalidateSettings();
    await this.register.evict();
  }

  /** Lends one for this package's own use, by the same rule as to all. Undefined: there was none in time. It is given back like any other. */
  async borrow(limit: TimeLimit): Promise<Connection | undefined> {
    const borrower = {};
    const asked = this.lending.ask(undefined, borrower);
    const raw = await within(limit, asked);
    if (raw) return connectionOf(raw);
    this.queue.giveUp(borrower, this.#endWait);
    // One may be on its way to it.
    asked.then(
      (late) => this.release(late),
      () => {},
    );
    return undefined;
  }

  /** Gives every request that waits its verdict. */
  turnAway(error: () => Error, how: 'reject' | 'requeue'): TurnedAway {
    return this.queue.turnAway(how, error, this.#endWait);
  }

  readonly #endWait = (pending: ReadonlyMap<PendingAcquire, unknown>): void => {
    step(() => this.real.present?.turnAway(pending));
  };

  /** Openings for the ended generation no longer count. */
  abandonOpenings(deadline: Deadline): Promise<unknown> | undefined {
    const cut = this.openings.cut(deadline);
    this.real.abandonRetired();
    return cut;
  }

  /** `destroy()` was called: from now on nothing is lent. Returns what tells listeners that the pool has ended. Undefined: they hear that from an earlier call. */
  close(): (() => void) | undefined {
    const tellEnded = this.queue.isClosed ? undefined : this.real.tellEnd();
    this.queue.isClosed = true;
    return tellEnded;
  }

  /** After `destroy()`: lends again. */
  reopen(): void {
    this.queue.isClosed = false;
  }
}
