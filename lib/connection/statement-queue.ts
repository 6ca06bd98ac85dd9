// The statements of one raw connection, in a queue, one at a time, this package's own included; and the ways to stop them.
import type { Driver } from '../drivers/driver';
import type { PendingStatement } from '../drivers/pending-statement';
import type { TransactionStatus } from '../drivers/transaction-reader';
import { OwnWork, tell } from './own-work';
import { inBackground, throwLater, valueOr, nextTick } from '../words/foreign';
import { SharedWork } from '../words/shared-work';
import { type Deadline, type Deferred, defer, type TimeLimit } from '../words/waiting';

export abstract class StatementQueue {
  lastSql: string | undefined;
  readonly #statements: PendingStatement[] = [];
  /** What the driver does: nothing, the first of them, or it gets ready for the next one. */
  #wire: 'free' | 'busy' | Promise<void> = 'free';
  #cancelling: SharedWork<void> | undefined;
  #refusal: Error | undefined;
  #quiet: Deferred<void> | undefined;
  #isEnded = false;

  constructor(
    readonly raw: object,
    readonly driver: Driver,
  ) {}

  /** A statement was answered. Returns the error that its asker gets. */
  protected abstract heard(statement: PendingStatement | undefined, error: unknown, result: unknown): unknown;
  /** A cancel request may still arrive, and stop a later statement. */
  protected abstract undelivered(): void;
  /** A statement failed, and the server is not ready yet. Returns what to do when it is. */
  protected abstract awaitReady(sql: string, error: unknown): () => void;

  /** Of the transaction on it. True only while nothing runs. */
  get status(): TransactionStatus {
    return this.driver.status(this.raw);
  }

  /** Statements asked by others than this package and not answered, the one with the driver included. */
  get running(): number {
    return this.#statements.filter((statement) => !statement.isOwn).length;
  }

  /** Nothing runs on it, or it has ended. */
  get isQuiet(): boolean {
    return this.#isEnded || (this.#statements.length === 0 && this.#isReady);
  }

  /** The statement that is with the driver. */
  private get flying(): PendingStatement | undefined {
    return this.#wire === 'busy' ? this.#statements[0] : undefined;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** If set, nothing more is sent on this connection. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /** Resolves when it is quiet. */
  whenQuiet(): Promise<void> {
    if (this.isQuiet) return Promise.resolve();
    this.#quiet ??= defer();
    return this.#quiet.promise;
  }

  ask(statement: PendingStatement, refusal = this.#refusal): void {
    if (refusal !== undefined) return nextTick(tell, statement, refusal);
    this.lastSql = statement.sql;
    this.#add(statement);
  }

  /** One statement at a time: pg warns about a second one on a busy client, and will refuse it from version 9. */
  #add(statement: PendingStatement): void {
    this.#statements.push(statement);
    if (this.#statements.length === 1 && this.#isReady) this.#start(statement);
  }

  /** A cancel request that is on its way would stop the next statement. */
  get #isReady(): boolean {
    return this.#wire === 'free' && this.#cancelling === undefined;
  }

  answered(error: unknown, result: unknown, ready: Promise<void> | undefined): unknown {
    const statement = this.#statements.shift();
    this.#wire = 'free';
    if (ready) this.#pauseUntil(ready, this.awaitReady(statement?.sql ?? '', error));
    return valueOr(error, () => this.heard(statement, error, result));
  }

  next(): void {
    if (!this.#isReady) return;
    const statement = this.#statements[0];
    if (statement) this.#start(statement);
    else if (this.isQuiet) this.#quieten();
  }

  /** Sends a statement of this package's own, when its turn in the queue has come. */
  send(sql: string): Promise<unknown> {
    return this.runOwn(() => this.driver.send(this.raw, sql));
  }

  /** Does work of this package's own on the connection, as one statement of the queue. A refusal does not concern it. */
  runOwn<T>(work: () => Promise<T>): Promise<T> {
    const own = new OwnWork(this, work);
    this.#add(own);
    return own.done;
  }

  /**
   * Asks the server to stop the running statement. Until the request is delivered the connection is not quiet:
   * it would stop the next borrower's statement as well. One that cannot be delivered in time dooms the connection.
   */
  cancel(limit: TimeLimit, ask?: Driver['cancel']): Promise<void> {
    this.#cancelling ??= new SharedWork(({ latest }) => this.#cancel(latest, ask));
    return this.#cancelling.join(limit);
  }

  /** Nothing more is sent: every pending and later statement rejects with `error`. */
  refuse(error: Error): void {
    this.#refusal = error;
    this.dropAll(error);
  }

  /** Tells all who wait for an answer that there will be none. What the server runs, runs on until it is cancelled. */
  dropAll(error: Error): void {
    this.dropWaiting(error);
    if (this.flying && !this.flying.isOwn) tell(this.flying, error);
  }

  /** Tells those whose statement was not sent yet that it never will be. */
  dropWaiting(error: Error): void {
    const waiting = this.#statements.splice(this.#wire === 'busy' ? 1 : 0);
    this.#statements.push(...waiting.filter((statement) => statement.isOwn));
    for (const statement of waiting) if (!statement.isOwn) tell(statement, error);
  }

  /** A stream whose reader has stopped waits on the server for nothing but the reader: there is nothing to cancel. */
  endStream(error: Error): void {
    if (this.flying?.isStream) tell(this.flying, error);
  }

  /** Takes new statements again. */
  protected open(): void {
    this.#refusal = undefined;
  }

  /** The connection is of no use: those that the driver has not seen yet, and the readers of a stream, would wait for ever. */
  protected abandon(error: Error): void {
    for (const statement of this.#statements) if (statement.isOwn) tell(statement, error);
    this.#refusal ??= error;
    this.dropWaiting(this.#refusal);
    this.endStream(this.#refusal);
  }

  /** The socket is closed: nothing runs on it any more. */
  protected end(): void {
    this.#isEnded = true;
    // A request that is still on its way has nothing to stop.
    this.#cancelling?.end();
    if (this.#wire !== 'busy') this.#wire = 'free';
    this.#quieten();
  }

  async #cancel(deadline: Deadline, ask: Driver['cancel']): Promise<void> {
    const isDelivered = await (ask ? ask(this.raw, deadline) : this.driver.cancel?.(this.raw, deadline));
    this.#cancelling = undefined;
    if (!isDelivered) this.undelivered();
    this.next();
  }

  #start(statement: PendingStatement): void {
    this.#wire = 'busy';
    try {
      statement.start();
    } catch (error) {
      // The driver has refused it, and never answers it.
      if (this.#statements[0] !== statement) return throwLater(error);
      tell(statement, this.answered(error, undefined, undefined) as Error);
      this.next();
    }
  }

  #pauseUntil(ready: Promise<void>, readied: () => void): void {
    this.#wire = ready;
    const resume = () => {
      if (this.#wire !== ready) return;
      this.#wire = 'free';
      readied();
      this.next();
    };
    inBackground(ready.then(resume));
  }

  #quieten(): void {
    this.#quiet?.resolve();
    this.#quiet = undefined;
  }
}
