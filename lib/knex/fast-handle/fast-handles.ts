// Handles and clients of transactions that cost less than knex's own. This file is the only way into the folder, and has its switch.
// They are used where a sample has shown that knex's own are what they are made after; elsewhere knex makes its own.
import { valueOr } from '../../words/foreign';
import { runCallback } from '../transaction-callback';
import type { TransactionController } from '../transaction-controller';
import type { Container } from '../transaction-request';
import { type KnexTransaction, SETTLED_BY, type TransactionClass, type TransactionMaker } from '../transaction-shape';
import { unknownKnex } from '../unknown-knex';
import { makeTransactionClient, type Refuse } from './client';
import { isOfKnownShape } from './known-shape';
import { Inherited } from './handle';
import { clientLike, type Sample, takeSample } from './sample';

let isOn = true;

/** Whether transactions that begin from now on may have such handles: specs show that all holds without them. */
export function useFastHandles(given: boolean): void {
  isOn = given;
}

/** Those of one class of transactions. */
export class FastHandles {
  readonly #Base: TransactionClass;
  #sample: Sample | undefined;
  #inherited: Inherited | undefined;
  #sampling: Promise<void> | undefined;
  #isKnown = true;

  constructor(Base: TransactionClass) {
    this.#Base = Base;
  }

  /** Resolves when it is known whether they can be used. Undefined: it is. */
  prepare(client: TransactionMaker): Promise<void> | undefined {
    if (!this.#isKnown || this.#inherited?.isCurrent) return undefined;
    this.#sampling ??= this.#takeSample(client);
    return this.#sampling;
  }

  /** False: knex is of another shape than they are made after, or they are switched off. */
  get areUsable(): boolean {
    return isOn && this.#isKnown && this.#inherited !== undefined;
  }

  /** From BEGIN to the end: what knex's own `_onAcquire()` does, with a client and a handle made here. */
  run(
    trx: KnexTransaction,
    connection: object,
    { container, controller }: { container: Container; controller: TransactionController },
  ): Promise<unknown> {
    trx.trxClient = makeTransactionClient(trx, connection, { guard: controller, refuse: this.#refuse });
    const begun = trx.client.transacting ? trx.savepoint(connection) : trx.begin(connection);
    const execution = controller.port.whenSettled();
    const inherited = this.#inherited as Inherited;
    begun
      .then(() => runCallback(container, inherited.make(trx, connection, execution), controller))
      .catch((error: unknown) => controller.port.rejected(error));
    return execution;
  }

  /** Rejects as knex does where a transaction takes no query. */
  readonly #refuse: Refuse = (...asked) => (this.#sample as Sample).refuse(...asked);

  async #takeSample(client: TransactionMaker): Promise<void> {
    try {
      // Where a transaction of this class cannot be made without a database, knex makes each handle of its own.
      const sample = await takeSample(this.#Base, client).catch(() => undefined);
      if (sample) this.#use(sample, client);
      else this.#isKnown = false;
    } finally {
      this.#sampling = undefined;
    }
  }

  /** @throws TypeError where knex settles its transactions by other means than are known here: their end would be knex's own */
  #use(sample: Sample, client: TransactionMaker): void {
    const absent = SETTLED_BY.filter((name) => !sample.added.includes(name));
    if (absent.length > 0) throw unknownKnex(client, [`${absent.join(' and ')} of its transaction`]);
    const inherited = valueOr(undefined, () => new Inherited(sample.handle));
    this.#isKnown = valueOr(false, () => isOfKnownShape(sample) && inherited?.asksOn(clientLike(client)) === true);
    this.#sample = sample;
    this.#inherited = inherited;
  }
}
