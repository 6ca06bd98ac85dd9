// Whose a client is: an instance's, with its copies, or a transaction's. Those of a resettable instance have prototypes that are made here,
// above knex's dialect class, and marked.
import { read } from '../words/foreign';

/**
 * What an instance shares with its copies and with no other instance, whatever pool they have: knex makes a logger for each,
 * and hands it on to copies and transactions.
 */
export function identityOf(client: object): object {
  const logger = read(client, 'logger');
  return typeof logger === 'object' && logger !== null ? logger : client;
}

/** Whether the client is that of a transaction. */
export function isOfTransaction(client: object): boolean {
  return read(client, 'transacting') === true;
}

/** Marks the prototypes that are made here, and not by knex. */
const CLAIMED = Symbol('knex-reset.claimed');
/** The same for another copy of this package, which cannot see the mark above. */
const CLAIMED_BY_ANY = Symbol.for('knex-reset.claimed');

export function markClaimed<T extends object>(prototype: T): T {
  return Object.defineProperties(prototype, { [CLAIMED]: { value: true }, [CLAIMED_BY_ANY]: { value: true } });
}

/** What an instance, its copies and its transactions share says the same, also of those that were made before. */
export function markIdentity(client: object): void {
  Reflect.defineProperty(identityOf(client), CLAIMED_BY_ANY, { value: CLAIMED });
}

/** Whether another copy of this package has made it resettable. */
export function isClaimedElsewhere(client: object): boolean {
  const owner = read(identityOf(client), CLAIMED_BY_ANY);
  return (CLAIMED_BY_ANY in client && !(CLAIMED in client)) || (owner !== undefined && owner !== CLAIMED);
}

/** What a client's class is made from: the prototype of knex's own dialect class. */
export function knexPrototypeOf<T extends object>(client: T): T {
  let prototype = Object.getPrototypeOf(client) as T;
  while (CLAIMED in prototype) prototype = Object.getPrototypeOf(prototype) as T;
  return prototype;
}

/**
 * Makes a client one of the instance's. Its class is changed rather than its methods, because knex makes the clients of
 * copies and of transactions from `client.constructor.prototype`.
 */
export function claim<P>(client: { pool: P | undefined }, pool: P, prototype: object): void {
  Object.setPrototypeOf(client, prototype);
  client.pool = pool;
}

/**
 * The pool of clients that have none of their own. Knex gives a copy that of its original, which has none while it is destroyed. The
 * client of a transaction has none in any case.
 */
export function inheritPool(prototype: object, pool: object): void {
  Object.defineProperty(prototype, 'pool', {
    // On the hot path of a copy's queries.
    get(this: { readonly transacting?: boolean }) {
      return this.transacting ? undefined : pool;
    },
    set(this: object, value: unknown) {
      Object.defineProperty(this, 'pool', { value, writable: true, enumerable: true, configurable: true });
    },
  });
}

/** The same for the client of one transaction, which has no pool. */
export function claimTransaction(client: object, prototype: object): void {
  Object.setPrototypeOf(client, prototype);
}
