// Finds what stands behind a resettable instance, from the instance alone.
import type { Recording } from './diagnostics/recording';
import { lookAt } from './knex/given';
import { isClaimedElsewhere } from './knex/claimed';
import type { KnexClient } from './knex/client-shape';
import { identityOf, isOfTransaction } from './knex/identity';
import { valueOr } from './words/foreign';
import { refuse } from './words/options';
import type { Instance } from './pool/instance';
import type { Resettable } from './words/types';

export interface RegisteredInstance {
  instance: Instance;
  recording: Recording;
  methods: Resettable;
  attachClient(client: KnexClient): void;
}

/** By what an instance shares with its copies alone: several instances may have one pool. */
const registry = new WeakMap<object, RegisteredInstance>();

export function register(client: KnexClient, registered: RegisteredInstance): void {
  registry.set(identityOf(client), registered);
}

/** What stands behind the client of a resettable instance, or of a copy of one. */
export function registeredFor(client: KnexClient | undefined): RegisteredInstance | undefined {
  return client && !isOfTransaction(client) ? registry.get(identityOf(client)) : undefined;
}

/** Where another copy of the package has made the instance, or that of the transaction, resettable. */
export function otherCopyError(where: string, client: KnexClient | undefined): TypeError | undefined {
  if (!client || !valueOr(false, () => isClaimedElsewhere(client))) return undefined;
  return new TypeError(
    `${where}: another copy of knex-reset has made this instance resettable; install one copy only (npm ls knex-reset)`,
  );
}

/** @throws TypeError where another copy of the package has the instance */
export function refuseOtherCopy(where: string, client: KnexClient | undefined): void {
  const error = otherCopyError(where, client);
  if (error) throw error;
}

/** What stands behind a resettable instance, for the package's other entry points. @throws TypeError for anything else */
export function registeredOf(where: string, knex: unknown): { instance: Instance; recording: Recording } {
  const { client } = lookAt(knex);
  const registered = registeredFor(client);
  if (!registered) refuseOtherCopy(where, client);
  if (!registered) refuseUnregistered(where, knex, 'a resettable Knex instance, made by resettable()');
  return registered;
}

/** @throws TypeError that tells a plain instance from anything else */
export function refuseUnregistered(where: string, given: unknown, expected: string): never {
  const { client, isTransaction } = lookAt(given);
  if (!client || isTransaction) refuse(where, given, expected);
  throw new TypeError(
    `${where}: expected ${expected}, but was given a plain Knex instance; call resettable(knex) first`,
  );
}

/** The same of an instance that may be a plain one, or destroyed. */
export function instanceOf(knex: unknown): Instance | undefined {
  return registeredFor(lookAt(knex).client)?.instance;
}
