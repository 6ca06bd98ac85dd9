// One transaction of knex's as it is steered from here: sends its control statements, and settles the promise that knex waits for.
import type { Knex } from 'knex';
import type { KnexTransaction } from './transaction-shape';

/** The result of a control statement. */
export interface StepResult {
  isDone: boolean;
  error: unknown;
  /** Knex's query object, with the driver's answer in it. */
  result: unknown;
}

/** Sends one of knex's control statements. */
export type Send = () => Promise<unknown>;

/** BEGIN and its like, by knex's own methods. A savepoint's are SAVEPOINT, RELEASE and ROLLBACK TO. */
export interface Steps {
  /** @param statements to send in place of knex's own */
  begin(statements?: readonly string[]): Promise<unknown>;
  commit: Send;
  /** @param error knex rejects the transaction with it */
  rollback(error: unknown): Promise<unknown>;
}

/** A control statement that is under way. */
interface Step {
  failure: { error: unknown } | undefined;
}

/** Settles the promise that knex waits for. Known from the moment the transaction has a connection. */
interface Settler {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

const ignore = () => {};
const NO_STEPS: Steps = { begin: async () => {}, commit: async () => {}, rollback: async () => {} };

export class TransactionPort {
  readonly trx: KnexTransaction;
  readonly settler: Settler = { resolve: ignore, reject: ignore };
  #steps: Steps = NO_STEPS;
  /** The control statement that is under way: what knex would have rejected the transaction with. */
  #step: Step | undefined;
  /** Its callback returns no promise, and commits by hand. */
  endsByCallback = false;
  /** Its callback is over, and functions of the user's own stand in for the handle's `commit` and `rollback`. */
  isCallbackOver = false;
  /** A control statement is being handed to knex: it passes every gate. */
  isStepping = false;

  constructor(trx: KnexTransaction) {
    this.trx = trx;
  }

  get id(): string {
    return this.trx.txid;
  }

  /** Undefined until the callback is called. */
  get handle(): Knex.Transaction | undefined {
    return this.trx.transactor;
  }

  set handle(handle: Knex.Transaction) {
    this.trx.transactor = handle;
  }

  /** Whether a rollback by hand without an error resolves. */
  get resolvesOnRollback(): boolean {
    return this.trx.doNotRejectOnRollback !== false;
  }

  /** The promise that knex waits for. */
  whenSettled(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      Object.assign(this.settler, { resolve, reject });
    });
  }

  /** Its connection is there: these are its control statements. */
  prepare(steps: Steps): void {
    this.#steps = steps;
  }

  /** Knex refuses the queries of a transaction so marked, its own control statements included. */
  refuseQueries(): void {
    this.trx._completed = true;
  }

  resolve(value: unknown): void {
    this.settler.resolve(value);
  }

  reject(error: unknown): void {
    this.settler.reject(error);
  }

  /** What knex would reject the transaction with for the step that was sent. */
  rejected(error: unknown): void {
    if (this.#step) this.#step.failure ??= { error };
    else this.reject(error);
  }

  /** Sends a control statement, and finds out what knex would have settled the transaction with. Never rejects. */
  send(step: keyof Steps, error?: unknown): Promise<StepResult> {
    return this.sendBy(() => (step === 'rollback' ? this.#steps.rollback(error) : this.#steps[step]()));
  }

  begin(statements: readonly string[] | undefined): Promise<StepResult> {
    return this.sendBy(() => this.#steps.begin(statements));
  }

  sendBy(send: Send): Promise<StepResult> {
    const taken: Step = { failure: undefined };
    this.#step = taken;
    // Knex marks a transaction as completed with the first try to end it; the second, after a failed one, must still be sent.
    this.trx._completed = false;
    this.isStepping = true;
    let sent: Promise<unknown>;
    try {
      sent = send();
    } catch (error) {
      sent = Promise.reject(error as Error);
    }
    this.isStepping = false;
    return sent.then(
      (result) => {
        this.#step = undefined;
        return { isDone: taken.failure === undefined, error: taken.failure?.error, result };
      },
      (error: unknown) => {
        this.#step = undefined;
        return { isDone: false, error, result: undefined };
      },
    );
  }
}
