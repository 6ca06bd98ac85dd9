// What a user hands in as an instance or a transaction: read with care, since it may be anything.
import { read } from '../words/foreign';
import type { KnexClient } from './client-shape';
import type { KnexPool } from './pool-shape';

export interface Given {
  client: KnexClient | undefined;
  pool: KnexPool | undefined;
  isTransaction: boolean;
}

export function lookAt(value: unknown): Given {
  const client = typeof value === 'function' ? read(value, 'client') : undefined;
  // A stand-in of a test may have a pool and nothing else.
  const isClient = typeof client === 'object' && client !== null && typeof read(client, 'config') === 'object';
  return {
    client: isClient ? (client as KnexClient) : undefined,
    pool: isClient ? (read(client, 'pool') as KnexPool | undefined) : undefined,
    isTransaction: read(value, 'isTransaction') === true,
  };
}

/** Whether it is what `require('knex')` gives, which makes instances and is none. */
export function isKnexItself(value: unknown): boolean {
  return typeof value === 'function' && read(value, 'knex') === value && typeof read(value, 'Client') === 'function';
}
