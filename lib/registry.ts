// Finds what stands behind a resettable instance, from the instance alone.
import { lookAt } from './knex/given';
import { isClaimedElsewhere, identityOf, isOfTransaction, markIdentity } from './knex/identity';
import { valueOr } from './words/foreign';
import { refuse } from './words/options';
import type { Instance } from './instance';

/** By what an instance shares with its copies alone: several instances may have one pool. */
const registry = new WeakMap<object, Instance>();

export function register(instance: Instance): void {
  registry.set(identityOf(instance.client), instance);
  markIdentity(instance.client);
}

/** The instance behind the client of a resettable one, or of a copy of it. */
export function registeredFor(client: object | undefined): Instance | undefined {
  return client && !isOfTransaction(client) ? registry.get(identityOf(client)) : undefined;
}

/** The instance that a transaction is of, where that is resettable. */
export function registeredAround(client: object): Instance | undefined {
  return registry.get(identityOf(client));
}

/** Where another copy of the package has made the instance, or that of the transaction, resettable. */
export function otherCopyError(where: string, client: object | undefined): TypeError | undefined {
  if (!client || !valueOr(false, () => isClaimedElsewhere(client))) return undefined;
  return new TypeError(
    `${where}: another copy of knex-reset has made this instance resettable; install one copy only (npm ls knex-reset)`,
  );
}

/** @throws TypeError where another copy of the package has the instance */
export function refuseOtherCopy(where: string, client: object | undefined): void {
  const error = otherCopyError(where, client);
  if (error) throw error;
}

/** The instance behind a resettable one, for the package's other entry points. @throws TypeError for anything else */
export function registeredOf(where: string, knex: unknown): Instance {
  const { client } = lookAt(knex);
  const registered = registeredFor(client);
  if (!registered) refuseOtherCopy(where, client);
  if (!registered) refuseUnregistered(where, knex, 'a resettable Knex instance, made by resettable()');
  return registered;
}

/** @throws TypeError that tells a plain instance and a transaction from anything else */
export function refuseUnregistered(where: string, given: unknown, expected: string): never {
  const { client, isTransaction } = lookAt(given);
  if (!client) refuse(where, given, expected);
  const what = isTransaction ? 'a transaction' : 'a plain Knex instance; call resettable(knex) first';
  throw new TypeError(`${where}: expected ${expected}, but was given ${what}`);
}

/** The same of an instance that may be a plain one, or destroyed. */
export function instanceOf(knex: unknown): Instance | undefined {
  return registeredFor(lookAt(knex).client);
}
