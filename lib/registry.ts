// Finds what stands behind a resettable instance, from the instance alone.
import type { Recording } from './diagnostics/recording';
import { lookAt } from './knex/given';
import type { KnexClient } from './knex/insides';
import { refuse } from './words/options';
import type { Instance } from './pool/instance';
import type { Resettable } from './words/types';

export interface RegisteredInstance {
  instance: Instance;
  recording: Recording;
  methods: Resettable;
  attachClient(client: KnexClient): void;
}

/** By the pool that a client holds, that of the instance or the one that it had before; by the client for when it is destroyed. */
export const registry = new WeakMap<object, RegisteredInstance>();

/** What stands behind a resettable instance, for the package's other entry points. @throws TypeError for anything else */
export function registeredOf(where: string, knex: unknown): { instance: Instance; recording: Recording } {
  const { client, pool } = lookAt(knex);
  const registered = client && registry.get(pool ?? client);
  if (!registered) refuse(where, knex, 'a resettable Knex instance, made by resettable()');
  return registered;
}

/** The same of an instance that may be a plain one, or destroyed. */
export function instanceOf(knex: unknown): Instance | undefined {
  const client = (knex as { client?: KnexClient } | null | undefined)?.client;
  return client && registry.get(client.pool ?? client)?.instance;
}
