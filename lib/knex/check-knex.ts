// Whether a knex has all that this package relies on and that knex does not document. What a new version renames is found here, before
// anything of it is used. What knex marks connections with is not to be seen beforehand: contract specs hold it.
import type { EventEmitter } from 'node:events';
import { valueOr } from '../words/foreign';
import type { Runner } from './builders';
import type { KnexClient } from './client-shape';
import { isOfTransaction, knexPrototypeOf } from './identity';
import { missing, type Shape, unknownKnex } from './shape';
import { missingInTarn } from './pool-shape';
import { FULL_CONFIG, type KnexTransaction, TRANSACTION, type TransactionMaker } from './transaction-shape';

export const CLIENT: Shape<KnexClient & { transaction: unknown }, keyof EventEmitter> = {
  config: 'object',
  driverName: 'string',
  driver: 'present',
  logger: 'object',
  acquireConnection: 'function',
  releaseConnection: 'function',
  acquireRawConnection: 'function',
  destroyRawConnection: 'function',
  initializePool: 'function',
  getPoolSettings: 'function',
  destroy: 'function',
  runner: 'function',
  transaction: 'function',
  queryBuilder: 'function',
  schemaBuilder: 'function',
  raw: 'function',
  query: 'function',
  stream: 'function',
  _query: 'function',
  // A dialect need not have streams.
  _stream: 'optional',
  // See below: which of them a client has depends on its config, and a transaction's has none.
  pool: 'optional',
  transacting: 'optional',
  connectionSettings: 'optional',
  connectionConfigProvider: 'optional',
  connectionConfigExpirationChecker: 'optional',
  setSchemaSearchPath: 'optional',
  _ownsPool: 'optional',
  // The fast handles alone rely on these, and know by a sample.
  version: 'optional',
  valueForUndefined: 'optional',
};

const RUNNER: Shape<Runner> = { run: 'function' };
const POOL_SETTINGS: Shape<ReturnType<KnexClient['getPoolSettings']>> = { create: 'function' };

/** @throws TypeError that names the version of knex and what it does not have */
export function checkKnex(client: KnexClient): void {
  const absent = [
    ...inObject('client', missing(client, CLIENT)),
    ...inObject(
      'runner',
      missing(
        valueOr(ANY_RUNNER, () => client.runner({})),
        RUNNER,
      ),
    ),
    ...inObject('transaction', missingInTransactions(client)),
    ...(isOfTransaction(client) ? [] : missingInInstance(client)),
  ];
  if (absent.length > 0) throw unknownKnex(client, absent);
}

/** What comes of a method that is not there, or throws for want of what a real call gives it: that is no new name. */
const ANY_RUNNER = { run: () => {} };
const ANY_POOL_SETTINGS = { create: () => {} };

function missingInInstance(client: KnexClient): string[] {
  const { driverName, config } = client;
  const { connection, connectionPool, searchPath } = config;
  const provided: Partial<Shape<KnexClient>> =
    typeof connection === 'function'
      ? { connectionConfigProvider: 'function', connectionConfigExpirationChecker: 'present' }
      : { connectionSettings: 'object', connectionConfigExpirationChecker: 'present' };
  const searched: Partial<Shape<KnexClient>> =
    driverName === 'pg' && searchPath ? { setSchemaSearchPath: 'function' } : {};
  const owned: Partial<Shape<KnexClient>> = connectionPool ? { _ownsPool: 'boolean' } : {};
  // Knex warns of options that it takes no more each time that it reads them.
  const silent = Object.create(client, { logger: { value: { warn: () => {} } } }) as KnexClient;
  const settings = valueOr(ANY_POOL_SETTINGS, () => silent.getPoolSettings({ ...config.pool }));
  return [
    ...inObject('pool settings', missing(settings, POOL_SETTINGS)),
    ...inObject('client', missing(client, { ...provided, ...searched, ...owned })),
    ...inObject('pool', client.pool ? missingInTarn(client.pool) : []),
  ];
}

function inObject(of: string, names: string[]): string[] {
  return names.map((name) => `${name} of its ${of}`);
}

/** The fields of a transaction that are relied on, and that those of the client do not have. One is made for it that never takes a step. */
function missingInTransactions(client: object): string[] {
  const never = new Promise<never>(() => {});
  // It waits for whatever it asks of the transaction that it would be in.
  const outer = new Proxy({} as KnexTransaction, { get: () => never });
  const make = knexPrototypeOf(client as TransactionMaker).transaction;
  const made = valueOr(undefined, () => make.call(client as TransactionMaker, () => {}, FULL_CONFIG, outer));
  return made ? missing(made, TRANSACTION) : [];
}
