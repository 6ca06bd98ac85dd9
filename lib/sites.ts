// What stands behind each resettable instance, for those who are given only the instance.
import type { Recording } from './diagnostics/recording';
import type { KnexClient } from './knex/insides';
import { refuse } from './options';
import type { Instance } from './pool/instance';
import type { Resettable } from './types';

export interface Site {
  instance: Instance;
  recording: Recording;
  methods: Resettable;
  adopt(client: KnexClient): void;
}

/** By the pool that a client holds, that of the instance or the one that it had before; by the client for when it is destroyed. */
export const sites = new WeakMap<object, Site>();

/** What stands behind a resettable instance, for the package's other entry points. @throws TypeError for anything else */
export function siteOf(where: string, knex: unknown): { instance: Instance; recording: Recording } {
  const client = (knex as { client?: KnexClient } | null | undefined)?.client;
  const site = client && sites.get(client.pool ?? client);
  if (!site) refuse(where, knex, 'a resettable Knex instance, made by resettable()');
  return site;
}
