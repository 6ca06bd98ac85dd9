// Lends connections and takes them back. An idle one is lent at once, any other by the real pool; one rule admits the requests for both.
import type { PendingAcquire, Validate } from '../knex/tarn';
import type { QueryOrigin } from '../words/call-site';
import { inBackground, isA } from '../words/foreign';
import { Deadline, within } from '../words/waiting';
import { type Connection, connectionOf } from '../connection/connection';
import { quiesce } from '../connection/quiesce';
import { type AcquireQueue, EndedOpening, type Request } from './acquire-queue';
import type { PoolHost } from './pool-host';
import type { RealPools } from './real-pools';
import type { Register } from './register';

interface Parts {
  readonly host: PoolHost;
  readonly queue: AcquireQueue;
  readonly real: RealPools;
  readonly register: Register;
}

export class Lending {
  readonly #pool: Parts;

  constructor(pool: Parts) {
    this.#pool = pool;
  }

  // `ask()` and `giveBack()` are the hot path of every query.

  /** Resolves with a connection. Throws where knex cannot build the real pool. */
  ask(askedAt: QueryOrigin | undefined, borrower?: object): Promise<object> {
    const enclosing = this.#pool.host.ambient.current();
    const request: Request = { askedAt, enclosing, borrower, isEarlier: false, verdict: undefined };
    return this.#admit(request) ?? this.#lendIdle(request) ?? this.#lendByRealPool(request);
  }

  #askAgain({ askedAt, borrower }: Request): Promise<object> {
    return this.ask(askedAt, borrower);
  }

  /** Undefined: a connection of the real pool is for it. */
  #admit(request: Request): Promise<object> | undefined {
    const { queue } = this.#pool;
    switch (queue.admissionOf(request)) {
      case 'now':
        return undefined;
      case 'inside':
        return request.enclosing?.enlist(request.askedAt);
      case 'held':
        return queue.passed(request, () => this.#askAgain(request));
      case 'rejected':
        return Promise.reject(queue.refusalOf(request));
    }
  }

  /** Undefined: none may be lent without a check, or a user listens, or the real pool has to say whose turn it is. */
  #lendIdle({ askedAt }: Request): Promise<object> | undefined {
    const { real } = this.#pool;
    if (real.hasListeners) return undefined;
    const raw = real.present?.lendIdle?.(this.isFit);
    if (raw === undefined) return undefined;
    connectionOf(raw)?.lend(askedAt);
    return Promise.resolve(raw);
  }

  #lendByRealPool(request: Request): Promise<object> {
    const { queue, real } = this.#pool;
    return queue.ask(request, real.current()).then(
      (raw) => this.#lend(raw, request),
      (error) => this.#failed(error, request),
    );
  }

  #lend(raw: object, request: Request): object | Promise<object> {
    const { host, queue, real, register } = this.#pool;
    queue.delete(request);
    const elsewhere = this.#admit(request);
    if (elsewhere) {
      // A reset came when the real pool had already given it a connection.
      real.release(raw);
      return elsewhere;
    }
    const known = connectionOf(raw);
    if (known?.closing !== undefined) {
      // It was closed while the real pool had it checked: listeners have heard that it was lent.
      if (!host.isExternal) real.release(raw);
      return this.#askAgain(request);
    }
    // A pool that several instances share lends what another one has tapped before.
    const connection = known && register.connections.has(known) ? known : register.track(raw);
    connection.lend(request.askedAt);
    return raw;
  }

  /** The real pool has no connection for it. Its verdict, where it has one, says why. */
  #failed(error: unknown, request: Request): Promise<object> {
    const { queue, host } = this.#pool;
    queue.delete(request);
    if (isA(error, EndedOpening)) return this.#admit(request) ?? this.#askAgain(request);
    return this.#admit(request) ?? host.explain(error);
  }

  /** Takes over a request from before the instance was resettable: knex has its promise already. */
  adopt(pending: PendingAcquire): void {
    const { queue, register } = this.#pool;
    const request: Request = { askedAt: undefined, enclosing: undefined, isEarlier: true, verdict: undefined };
    queue.add(request, pending);
    pending.promise.then(
      (raw) => {
        queue.delete(request);
        const connection = connectionOf(raw) ?? register.track(raw);
        if (connection.closing === undefined) connection.lend();
      },
      () => queue.delete(request),
    );
  }

  /** Whether an idle connection may be lent: as it is, if it answers, or not at all. */
  #fitness(connection: Connection): 'fit' | 'doubtful' | 'unfit' {
    const { host, register } = this.#pool;
    if (!connection.isClean || connection.stamp !== register.stamp) return 'unfit';
    const { checkIdleMillis } = host.recovery;
    return checkIdleMillis !== undefined && Date.now() - connection.idleSince > checkIdleMillis ? 'doubtful' : 'fit';
  }

  /** Whether an idle one may be lent without a check, also of knex's. */
  readonly isFit = (raw: object): boolean => {
    const connection = connectionOf(raw);
    return connection !== undefined && this.#pool.host.lendsUnasked && this.#fitness(connection) === 'fit';
  };

  /** The same for a connection that the real pool is about to lend. Knex's own check comes last. */
  validate(raw: object, check: Validate): boolean | Promise<boolean> {
    const connection = connectionOf(raw);
    if (connection === undefined) return false;
    switch (this.#fitness(connection)) {
      case 'fit':
        return check(raw);
      case 'unfit':
        // One that holds the data cannot be replaced.
        return this.#pool.register.keeps(connection) && this.#atRest(connection).then(() => check(raw));
      case 'doubtful':
        return this.#pool.host.recovery.answers(connection).then((isAlive) => isAlive && check(raw));
    }
  }

  /** Stops what runs on it and rolls back what is open, within the bound. */
  async #atRest(connection: Connection): Promise<void> {
    const deadline = new Deadline(this.#pool.host.timeoutMillis);
    await within(deadline, quiesce(connection, deadline));
  }

  giveBack(raw: object): boolean {
    const connection = connectionOf(raw);
    if (!connection || !connection.lent) return false;
    if (connection.lease.guests.length > 0) {
      connection.lease.guests.pop()?.();
      return true;
    }
    // Code that had it before its transaction gives it back once more.
    if (connection.user?.keepsConnection) return false;
    if (connection.isSeized) {
      connection.givenBack();
      return true;
    }
    const { lease } = connection;
    if (!lease.cleaning && connection.isClean && connection.stamp === this.#pool.register.stamp)
      return this.#takeBack(connection);
    inBackground(lease.endAfter(this.#tidyUp(connection)));
    return true;
  }

  #takeBack(connection: Connection): boolean {
    const { host, real, register } = this.#pool;
    connection.returned();
    if (host.isExternal) register.leaveToOwner(connection);
    return real.present?.release(connection.raw) ?? false;
  }

  /** A doubtful connection is never lent as it is: its statement is stopped and its transaction rolled back, or it is closed. */
  async #tidyUp(connection: Connection): Promise<void> {
    const { register } = this.#pool;
    const { lease } = connection;
    // Where it is given back twice: by then it may be its next borrower's.
    if (lease.cleaning) await lease.cleaning;
    if (connection.closing !== undefined || lease.isOver) return;
    const isKept = register.keeps(connection);
    if (isKept || (register.isCurrent(connection) && connection.health.isSound)) await this.#atRest(connection);
    if (connection.closing !== undefined) return;
    // A reset came meanwhile, and has it now.
    if (connection.isSeized) return connection.givenBack();
    if (isKept) {
      // The code that has it from inside its transaction gives it back.
      if (connection.lease.heldByHand > 0) return void connection.lease.heldByHand--;
      register.renew(connection);
    }
    if (connection.isClean && register.isCurrent(connection)) this.#takeBack(connection);
    else inBackground(register.discard(connection));
  }
}
