// The handle of a transaction. Knex makes each anew with over a hundred functions, which V8 takes for long-lived and moves to where only a
// full collection finds them: half of a transaction's price. Here they are inherited from one handle that knex made as a sample.
import { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
import type { TransactionConfig } from '../transaction-request';
import type { KnexTransaction, TransactionMaker } from '../transaction-shape';
import type { Context, Handle } from './sample';

const ENDS = ['commit', 'rollback', 'savepoint', 'isCompleted'];
const LISTENERS = ['_events', '_eventsCount', '_maxListeners', '_internalListeners'];

/** What belongs to one transaction. All the rest of knex's handle has to go by `this`. */
export const OF_ONE_TRANSACTION = ['context', 'executionPromise', 'parentTransaction', ...ENDS, ...LISTENERS];

/** The same of its `context`, by which its methods find their client. */
export const OF_ONE_CONTEXT = ['client', 'userParams', 'transaction'];

type Asks = Record<'raw' | 'ref' | 'select' | 'from' | 'queryBuilder', (...args: unknown[]) => unknown> &
  Record<'schema' | 'fn', unknown> &
  ((table: string) => unknown);

/** What the handles of one class of transactions inherit. */
export class Inherited {
  readonly #handle: object;
  readonly #context: object;
  readonly #builder: object;
  /** How many methods users had added to the query builder, and with it to handles, when the sample was made. */
  readonly #extensions: number;

  constructor(sample: Handle) {
    this.#handle = without(OF_ONE_TRANSACTION, sample, Function.prototype);
    this.#context = without(OF_ONE_CONTEXT, sample.context, Object.prototype);
    this.#builder = baseOf(sample.context.queryBuilder());
    this.#extensions = Object.keys(this.#builder).length;
  }

  /** Users have added no method to the query builder since. */
  get isCurrent(): boolean {
    return Object.keys(this.#builder).length === this.#extensions;
  }

  /** The handle of a transaction that has begun. */
  make(trx: KnexTransaction, connection: object, executionPromise: Promise<unknown>): Knex.Transaction {
    const context = Object.assign(Object.create(this.#context) as Context, {
      client: trx.trxClient as TransactionMaker,
      userParams: trx.userParams ?? {},
      transaction(this: Context, container: unknown, options?: TransactionConfig) {
        // Knex takes whatever is not an object for none.
        const config = options || {};
        if (config.doNotRejectOnRollback === undefined) config.doNotRejectOnRollback = true;
        return this._transaction(container, config, trx);
      },
    });
    const isNested = trx.client.transacting;
    const handle = Object.assign(Object.setPrototypeOf(callable(context), this.#handle) as Handle, {
      context,
      executionPromise,
      savepoint: (container: unknown, options: unknown) => handle.transaction(container, options),
      commit: (value: unknown) => (isNested ? trx.release(connection, value) : trx.commit(connection, value)),
      rollback: (error: unknown) => (isNested ? trx.rollbackTo(connection, error) : trx.rollback(connection, error)),
      isCompleted: () => trx.isCompleted(),
    });
    EventEmitter.call(handle);
    if (trx.outerTx) handle.parentTransaction = trx.outerTx.transactor;
    trx.transactor = handle as unknown as Knex.Transaction;
    return trx.transactor;
  }

  /** Whether a handle asks on the client that it was made with, and not on the sample's. */
  asksOn(client: TransactionMaker): boolean {
    const trx: Partial<KnexTransaction> = { trxClient: client, client, outerTx: null };
    const handle = this.make(trx as KnexTransaction, {}, Promise.resolve()) as unknown as Asks;
    const { schema, fn } = handle;
    const asked = [handle('t'), handle.queryBuilder(), handle.select('a'), handle.from('t'), handle.raw('1')];
    return [...asked, handle.ref('a'), schema, fn].every((each) => (each as { client: unknown }).client === client);
  }
}

/** What knex's handle does when it is called. */
function callable(context: Context): object {
  return function knex(tableName?: string, options?: object) {
    const builder = context.queryBuilder();
    if (tableName) return builder.table(tableName, options as never);
    context.client.logger.warn('calling knex without a tableName is deprecated. Use knex.queryBuilder() instead.');
    return builder;
  };
}

/** The prototype that `knex.QueryBuilder.extend()` adds methods to. */
function baseOf(builder: object): object {
  let prototype = Object.getPrototypeOf(builder) as object;
  while (!Object.hasOwn(prototype, 'table')) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype;
}

function without(names: string[], of: object, prototype: object): object {
  const own = Object.getOwnPropertyDescriptors(of) as Record<string, PropertyDescriptor>;
  for (const name of names) delete own[name];
  return Object.create(prototype, own) as object;
}
