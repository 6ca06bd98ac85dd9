// One server process: reads what its client asks, runs it, answers, and ends with the connection or by force.
import type { End, Link } from '../network/link';
import type { Arrived } from './inbox';
import * as say from '../wire/backend';
import type { Asked, Reader } from '../wire/frontend';
import { Random } from '../random';
import type { ServerTransaction } from './database';
import { Freezer } from './freezer';
import { Inbox } from './inbox';
import { Interrupts, Killed } from './interrupts';
import { Outbox } from './outbox';
import { Protocol, type Statement } from './protocol';
import type { SimulatedServer } from './server';
import { SqlError } from './sql-error';

/** What knex and the workload ask of a new connection. */
const SET_UP = /^(?:select version\(\)|set application_name)/;
const SIDE = /^select pg_(?:terminate|cancel)_backend/;

export class Backend implements End {
  transaction: ServerTransaction | undefined;
  readonly statements = new Map<string, Statement>();
  readonly key: number;
  readonly out: Outbox;
  /** Commits wait so long for a standby; the next one only. */
  standbyMillis = 0;
  readonly #random: Random;
  readonly #interrupts = new Interrupts();
  readonly #inbox = new Inbox();
  #reader: Reader | undefined;
  readonly #protocol = new Protocol(this);
  #isRunning = false;
  readonly startedAt: number;
  /** Its client knows its process id. */
  isIntroduced = false;
  /** Its client has asked for more than knex does to set a connection up. */
  isInUse = false;
  /** Its client is a side connection: it looks after other backends. */
  isSide = false;
  readonly freezer: Freezer;

  constructor(
    readonly server: SimulatedServer,
    readonly link: Link,
    readonly pid: number,
    /** When its connection was accepted. */
    readonly order: number,
    seed: number,
  ) {
    this.#random = Random.keyed(seed, 'backend', link.number);
    this.startedAt = server.clock.now;
    this.freezer = new Freezer(server.clock);
    this.out = new Outbox(link);
    this.key = this.#random.int(1, 1_000_000);
  }

  /** Nothing runs, nothing is open, and the connection is there. */
  get isAtRest(): boolean {
    return !this.transaction && !this.#isRunning && this.link.isOpen('client');
  }

  /** At work on a statement. */
  get isActive(): boolean {
    return this.#isRunning;
  }

  bytes(chunk: Buffer): void {
    for (const asked of this.#reader?.read(chunk) ?? []) {
      if (asked.is === 'query' || asked.is === 'parse') {
        this.isIntroduced = true;
        if (SIDE.test(asked.sql)) this.isSide = true;
        else if (!SET_UP.test(asked.sql)) this.isInUse = true;
        this.server.received(this, asked.sql);
      }
      this.#inbox.push(asked);
    }
  }

  ended(): void {
    this.#inbox.push({ is: 'end of stream' });
  }

  reset(): void {
    this.#inbox.reset();
  }

  /** A signal that stops the running statement; it finds nothing to stop where none runs. */
  cancel(): void {
    if (this.#isRunning) this.#interrupts.raise(new SqlError('57014', 'canceling statement due to user request'));
  }

  terminate(code = '57P01'): void {
    const message = 'terminating connection due to administrator command';
    this.#interrupts.raise(new SqlError(code, message, 'FATAL'));
  }

  kill(): void {
    this.#interrupts.raise(new Killed());
    this.freezer.thaw();
  }

  /** Does nothing for so long, and hears no signal but the last. */
  freeze(millis: number): void {
    this.server.everFrozen.add(this.pid);
    this.freezer.freeze(millis);
  }

  /** @param reader it may have the beginning of what follows the opening */
  async serve(opening: Asked, reader: Reader): Promise<void> {
    this.#reader = reader;
    this.link.attach('server', this);
    this.#inbox.push(opening);
    try {
      for (;;) {
        const asked = await this.#next();
        if (asked.is === 'terminate' || asked.is === 'end of stream') break;
        await this.#protocol.handle(asked);
      }
      await this.#exit();
    } catch (error) {
      if (error instanceof Killed) this.#vanish();
      else if (error instanceof SqlError) await this.#fail(error);
      else throw error;
    }
  }

  openTransaction(): ServerTransaction {
    this.transaction ??= this.server.database.begin(false);
    return this.transaction;
  }

  /** Makes it stored, then waits for the standby. Ending that wait by force makes a warning of it. */
  async commit(): Promise<{ code: string; message: string } | undefined> {
    const transaction = this.transaction!;
    this.server.database.commit(transaction);
    this.server.committed(this, transaction);
    let warning: { code: string; message: string } | undefined;
    try {
      if (this.standbyMillis > 0) await this.pause(this.standbyMillis);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      warning = { code: '01000', message: 'The transaction has already committed locally.' };
    }
    this.standbyMillis = 0;
    this.server.database.letGo(transaction);
    this.transaction = undefined;
    return warning;
  }

  rollBack(): void {
    const { transaction } = this;
    if (!transaction) return;
    this.transaction = undefined;
    if (transaction.fate === 'in progress') this.server.rolledBack(this, transaction);
    this.server.database.rollBack(transaction);
  }

  /** A statement's work takes a little time, in which it can be stopped. */
  async running<T>(work: () => Promise<T>): Promise<T> {
    this.#isRunning = true;
    try {
      await this.pause(this.#random.between(0.02, this.#random.chance(0.1) ? 5 : 0.5));
      return await work();
    } finally {
      this.#isRunning = false;
      this.#interrupts.forgetCancel();
    }
  }

  async pause(millis: number): Promise<void> {
    await this.waitFor(this.server.clock.wait(millis));
  }

  async waitFor<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.#interrupts.during(work);
    } finally {
      await this.#thawed();
    }
  }

  async #next(): Promise<Arrived> {
    return this.waitFor(this.#inbox.next());
  }

  async #thawed(): Promise<void> {
    await this.freezer.thawed();
    if (this.#interrupts.raised instanceof Killed) throw this.#interrupts.raised;
  }

  async #fail({ severity, code, message }: SqlError): Promise<void> {
    this.out.say(say.errorResponse({ severity, code, message }));
    this.out.flush();
    await this.#exit();
  }

  /** Locks go before the socket, so that its end proves theirs. */
  async #exit(): Promise<void> {
    await this.server.clock.wait(this.#random.between(0.05, 1));
    this.rollBack();
    this.server.left(this);
    if (this.link.isOpen('server')) this.link.close('server');
  }

  #vanish(): void {
    this.rollBack();
    this.server.left(this);
    if (this.link.isOpen('server')) this.link.drop('server');
  }
}
