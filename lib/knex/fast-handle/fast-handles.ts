// Handles and clients of transactions that cost less than knex's own. This file is the only way into the folder, and has its switch.
// They are used where a sample has shown that knex's own are what they are made after; elsewhere knex makes its own.
import { EventEmitter } from 'node:events';
import { valueOr } from '../../words/foreign';
import { runCallback, type TransactionController } from '../transaction-controller';
import type { Container } from '../transaction-request';
import { type KnexTransaction, SETTLED_BY, type TransactionClass, type TransactionMaker } from '../transaction-shape';
import { unknownKnex } from '../shape';
import { makeTransactionClient, type Refuse, TAKEN_OVER, TOLD_OF } from './client';
import { Inherited, OF_ONE_CONTEXT, OF_ONE_TRANSACTION } from './handle';
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

const EMITTER = Object.keys(new EventEmitter());
const OF_MACHINE = ['_resolver', '_rejecter', 'transactor'];
const OF_CLIENT = [
  ...TAKEN_OVER,
  ...EMITTER,
  'transacting',
  'query',
  'stream',
  'acquireConnection',
  'releaseConnection',
];
/** What knex's functions call what belongs to one transaction, where they do not find it by `this`. */
const CLOSED_OVER = /\b(transactor|connection|knexFn|knexContext)\b/;

export function isOfKnownShape({ handle, client, added }: Sample): boolean {
  return (
    areAmong(OF_MACHINE, added) &&
    areAmong(OF_CLIENT, Object.keys(client)) &&
    areAmong(TOLD_OF, client.eventNames()) &&
    boundMembers(handle, OF_ONE_TRANSACTION).length === 0 &&
    boundMembers(handle.context, OF_ONE_CONTEXT).length === 0
  );
}

function areAmong(known: readonly unknown[], found: readonly unknown[]): boolean {
  return found.every((each) => known.includes(each));
}

/** The members of a handle or its context that belong to it alone, or do not go by `this`, but for those that are made anew. */
export function boundMembers(of: object, madeAnew: readonly string[]): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(of) as Record<string, PropertyDescriptor>)
    .filter(([name, { value, get }]) => {
      const code: unknown = value ?? get;
      // It throws, whatever it is called on. And each function has a prototype.
      if (name === 'withUserParams' || name === 'prototype' || madeAnew.includes(name)) return false;
      if (typeof code !== 'function') return typeof code === 'object' && code !== null;
      const source = Function.prototype.toString.call(code);
      return !/\bthis\b/.test(source) || CLOSED_OVER.test(source);
    })
    .map(([name]) => name);
}
