// The client that a transaction's queries go through: what knex makes, on a prototype. Its own has closures that V8 puts among what is
// long-lived, as every function that is written down where it is assigned to a property; with them all of the transaction stays there.
import type { Duplex } from 'node:stream';
import { markClaimed } from '../identity';
import { type Guard, fenced, guardedQuery, guardedStream, isBarred, setGuard, guardOf } from '../guard';
import type { KnexTransaction, TransactionMaker } from '../transaction-shape';

export const TAKEN_OVER = ['version', 'config', 'driver', 'connectionSettings', 'valueForUndefined', 'logger'] as const;
export const TOLD_OF = ['start', 'query', 'query-error', 'query-response'];

const TRANSACTION = Symbol('knex-reset.transaction');
const CONNECTION = Symbol('knex-reset.connection');

interface TransactionClient extends TransactionMaker {
  [TRANSACTION]: KnexTransaction;
  [CONNECTION]: object;
}

/** Rejects as knex does where a transaction takes no query: it is over, or the query is meant for another connection. */
export type Refuse = (trx: KnexTransaction, isOwnConnection: boolean, statement: unknown) => Promise<never>;

const prototypes = new WeakMap<object, object>();

export function makeTransactionClient(
  trx: KnexTransaction,
  connection: object,
  { guard, refuse }: { guard: Guard; refuse: Refuse },
): TransactionMaker {
  const { client } = trx;
  const made = Object.create(prototypeFor(client, refuse)) as TransactionClient;
  for (const name of TAKEN_OVER) made[name] = client[name] as never;
  made.transacting = true;
  made[TRANSACTION] = trx;
  made[CONNECTION] = connection;
  setGuard(made, guard);
  for (const event of TOLD_OF) {
    made.on(event, (...told: unknown[]) => {
      trx.emit(event, ...told);
      client.emit(event, ...told);
      trx.transactor?.emit(event, ...told);
    });
  }
  return made;
}

function prototypeFor(client: TransactionMaker, refuse: Refuse): object {
  const base = client.constructor.prototype as TransactionMaker;
  let prototype = prototypes.get(base);
  if (!prototype) {
    prototype = markClaimed(Object.create(base, Object.getOwnPropertyDescriptors(methodsOn(base, refuse))) as object);
    prototypes.set(base, prototype);
  }
  return prototype;
}

function methodsOn(base: TransactionMaker, refuse: Refuse) {
  type Name = 'query' | 'stream';
  const send = (name: Name, client: TransactionClient, connection: object, statement: unknown, ...rest: unknown[]) => {
    const trx = client[TRANSACTION];
    const isOwn = connection === client[CONNECTION];
    if (!isOwn || trx.isCompleted()) return refuse(trx, isOwn, statement);
    return (base[name] as (...args: unknown[]) => Promise<unknown>).call(client, connection, statement, ...rest);
  };
  return {
    query(this: TransactionClient, connection: object, statement: unknown) {
      const query = (...args: [object, unknown]) => {
        try {
          return send('query', this, ...args);
        } catch (error) {
          // A listener of `query` may throw. What control statements are sent by expects a promise.
          return Promise.reject(error as Error);
        }
      };
      return guardedQuery(guardOf(this) as Guard, query, connection, statement);
    },
    stream(this: TransactionClient, ...args: [object, unknown, Duplex, unknown]) {
      const query = (...asked: [object, unknown]) => send('query', this, ...asked);
      const stream = (...asked: typeof args) => send('stream', this, ...asked);
      return guardedStream(guardOf(this) as Guard, stream, query, args);
    },
    acquireConnection(this: TransactionClient) {
      const guard = guardOf(this) as Guard;
      guard.taken();
      const connection = this[CONNECTION];
      return Promise.resolve(isBarred(guard) ? fenced(connection, guard) : connection);
    },
    releaseConnection(this: TransactionClient) {
      guardOf(this)?.givenBack();
      return Promise.resolve();
    },
  };
}
