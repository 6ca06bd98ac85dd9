// One generation's real pool. The only place that knows tarn's fields, which are neither documented nor private by more than habit.
import type { EventEmitter } from 'node:events';
import { isDisposed } from './connection-mark';
import type { Create, Destroy, PendingAcquire, Retrying, Tarn, Validate } from './pool-shape';
import { checked, tellClosing, tellEnd, tellListeners } from './tarn-events';

export { isTarn, type PendingAcquire, type Tarn, type Validate } from './pool-shape';

/** What this package adds to the making, checking and closing of a connection. */
export interface Guards {
  create(make: Create): Promise<object>;
  /** The pool has it now, and its listeners have heard of it. */
  opened(connection: object): void;
  /** Whether an idle connection may be lent without a check. */
  isFit(connection: object): boolean;
  validate(connection: object, check: Validate): boolean | Promise<boolean>;
  destroy(connection: object, close: Destroy): Promise<unknown>;
}

/**
 * A tarn pool under guard. Its methods are taken from tarn's class, so that they still mean this pool
 * where the object itself was turned into a stand-in for the one that never changes.
 */
export class TarnPool {
  readonly #tarn: Tarn;
  readonly #methods: Tarn;

  constructor(tarn: Tarn, guards?: Guards) {
    this.#tarn = tarn;
    this.#methods = Object.getPrototypeOf(tarn) as Tarn;
    if (!guards) return;
    const { creator, validate, destroyer } = tarn;
    Object.assign(tarn, {
      creator: () => guards.create(creator),
      validate: (connection: object) => checked(tarn, () => guards.validate(connection, validate)),
      destroyer: (connection: object) => guards.destroy(connection, destroyer),
      // Whoever closes a connection tells the listeners of it.
      _destroy: (connection: object) => guards.destroy(connection, (other) => this.#methods._destroy.call(tarn, other)),
      _doAcquire: () => this.#serve(guards),
      _executeEventHandlers: (event: string, ...told: unknown[]) => {
        if (tarn.emitter.listenerCount(event) > 0) tellListeners(tarn, event, told);
        if (event === 'createSuccess') guards.opened(told[1] as object);
      },
    });
  }

  get min(): number {
    return this.#tarn.min;
  }

  get max(): number {
    return this.#tarn.max;
  }

  acquire(): PendingAcquire {
    return this.#methods.acquire.call(this.#tarn);
  }

  /**
   * Lends an idle connection at once: tarn's own way there makes two timers and some twenty promises.
   * Undefined: an acquire waits already, or no fit connection is idle, or knex has marked it to be dropped. Then tarn has to be asked.
   */
  lendIdle(isFit: Guards['isFit']): object | undefined {
    return this.#tarn.pendingAcquires.length > 0 ? undefined : this.#takeIdle(isFit);
  }

  /**
   * Gives idle connections to the acquires that wait. Tarn's own way checks each, with a timer and a dozen promises, and gives one to an
   * acquire that has just given up: then the next one waits for another release.
   */
  #serve({ isFit }: Guards): void {
    const tarn = this.#tarn;
    for (let pending = tarn.pendingAcquires[0]; pending; pending = tarn.pendingAcquires[0]) {
      if (!pending.isRejected) {
        const connection = this.#takeIdle(isFit);
        if (connection === undefined) return this.#methods._doAcquire.call(tarn);
        pending.resolve(connection);
      }
      tarn.pendingAcquires.shift();
    }
  }

  #takeIdle(isFit: Guards['isFit']): object | undefined {
    const tarn = this.#tarn;
    const entry = tarn.free.at(-1);
    if (entry === undefined || isDisposed(entry.resource) || !isFit(entry.resource)) return undefined;
    tarn.free.pop();
    tarn.used.push(entry);
    tarn._startReaping();
    return entry.resource;
  }

  /** Rejects pending acquires and takes them out of the queue at once: tarn itself would still open a connection for each. */
  turnAway(pending: ReadonlyMap<PendingAcquire, unknown>): void {
    this.#tarn.pendingAcquires = this.#tarn.pendingAcquires.filter((candidate) => !pending.has(candidate));
    for (const [each, error] of pending) each.reject(error);
  }

  /** The pending acquires, and the connections that are being opened, at this moment. */
  underWay(): { acquires: PendingAcquire[]; creates: Promise<object>[] } {
    const { pendingAcquires, pendingValidations, pendingCreates } = this.#tarn;
    return {
      acquires: [...pendingValidations, ...pendingAcquires],
      creates: pendingCreates.map(({ promise }) => promise),
    };
  }

  release(connection: object): boolean {
    return this.#methods.release.call(this.#tarn, connection);
  }

  numUsed(): number {
    return this.#tarn.used.length;
  }

  numFree(): number {
    return this.#tarn.free.length;
  }

  numPendingAcquires(): number {
    return this.#methods.numPendingAcquires.call(this.#tarn);
  }

  numPendingCreates(): number {
    return this.#methods.numPendingCreates.call(this.#tarn);
  }

  numPendingValidations(): number {
    return this.#methods.numPendingValidations.call(this.#tarn);
  }

  get listeners(): EventEmitter {
    return this.#tarn.emitter;
  }

  /** Goes on where an earlier one has ended: with its listeners, and with the numbers of its events. */
  succeed(earlier: TarnPool): void {
    const { emitter, eventId } = earlier.#tarn;
    Object.assign(this.#tarn, { emitter, eventId });
  }

  /** Listeners hear of a connection what tarn tells where it closes one. Returns what tells them that it is closed. Undefined: nobody listens. */
  tellClosing(connection: object, isLent: boolean): (() => void) | undefined {
    return this.listeners.eventNames().length > 0 ? tellClosing(this.#tarn, connection, isLent) : undefined;
  }

  /** Listeners hear what tarn tells where it ends itself. Returns what tells them that it has ended. */
  tellEnd(): () => void {
    return tellEnd(this.#tarn);
  }

  /** The connections in it, those that are lent out first. */
  residents(): { used: object[]; free: object[] } {
    return {
      used: this.#tarn.used.map((entry) => entry.resource),
      free: this.#tarn.free.map((entry) => entry.resource),
    };
  }

  /** Forgets a connection that is closed elsewhere; its place is free at once. */
  remove(connection: object): void {
    const tarn = this.#tarn;
    tarn.used = tarn.used.filter((entry) => entry.resource !== connection);
    tarn.free = tarn.free.filter((entry) => entry.resource !== connection);
    tarn._tryAcquireOrCreate();
  }

  /** Forgets its idle connections, and tries no failed opening again. False: some are lent, or something is under way, and it did nothing. */
  clear(): boolean {
    const { used, pendingAcquires, pendingCreates, pendingValidations } = this.#tarn;
    if (used.length + pendingAcquires.length + pendingCreates.length + pendingValidations.length > 0) return false;
    this.#empty();
    return true;
  }

  /** Forgets every connection: nothing is lent or opened by it any more, no timer stays. Its listeners hear of it elsewhere. */
  dismiss(): void {
    const tarn = this.#tarn;
    tarn.destroyed = true;
    tarn.used = [];
    tarn.pendingValidations = [];
    // A check of an idle connection that is still under way would start the timer again.
    Object.defineProperty(tarn, '_startReaping', { value: () => {}, configurable: true });
    this.#empty();
  }

  #empty(): void {
    const tarn: Tarn & Retrying = this.#tarn;
    tarn.free = [];
    tarn._stopReaping();
    for (const timer of tarn.pendingRetryTimers?.splice(0) ?? []) clearTimeout(timer);
  }

  /** Waits no longer for connections that are being opened: tarn has a timer for each. */
  abandonOpenings(): void {
    for (const creating of this.#tarn.pendingCreates) creating.reject(new Error('the pool has ended'));
  }
}
