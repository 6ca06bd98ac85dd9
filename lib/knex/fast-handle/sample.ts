// A transaction that knex makes but never begins: a sample of what knex does not expose otherwise.
import type { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
import { knexPrototypeOf } from '../identity';
import type { TransactionConfig } from '../transaction-request';
import type { KnexTransaction, TransactionClass, TransactionMaker } from '../transaction-shape';
import { type Refuse, TAKEN_OVER } from './client';

export interface Context {
  client: TransactionMaker;
  userParams: object;
  transaction(container: unknown, options?: TransactionConfig): unknown;
  queryBuilder(): Knex.QueryBuilder;
  _transaction(container: unknown, options: TransactionConfig, outer: KnexTransaction): unknown;
}

export interface Handle extends EventEmitter {
  context: Context;
  transaction(container: unknown, options: unknown): unknown;
  savepoint(container: unknown, options: unknown): unknown;
  commit(value: unknown): Promise<unknown>;
  rollback(error: unknown): Promise<unknown>;
  isCompleted(): boolean;
  executionPromise: Promise<unknown>;
  parentTransaction?: Knex.Transaction | undefined;
}

export interface Sample {
  handle: Handle;
  /** The client that its queries would go through. */
  client: TransactionMaker;
  /** The machine's own fields that appeared between the connection and the callback. */
  added: string[];
  /** Its own words, and its own line in the log of `DEBUG=knex:tx`, for a transaction that takes no query. */
  refuse: Refuse;
}

type SampleClass = new (
  client: TransactionMaker,
  ...args: [(handle: Handle) => void, TransactionConfig, null]
) => KnexTransaction;

/** @param like a client that the sample's is made after; nothing of it is kept */
export async function takeSample(Base: TransactionClass, like: TransactionMaker): Promise<Sample> {
  const connection = {};
  let earlier: string[] = [];

  class SampleTransaction extends Base {
    override acquireConnection(_config: TransactionConfig, work: (connection: object) => Promise<unknown>) {
      earlier = Object.keys(this);
      return work(connection);
    }

    override begin() {
      return Promise.resolve();
    }
  }

  let machine!: KnexTransaction;
  const handle = await new Promise<Handle>((resolve, reject) => {
    machine = new (SampleTransaction as unknown as SampleClass)(clientLike(like), resolve, {}, null);
    machine.catch(reject);
  });
  machine._completed = true;
  const client = machine.trxClient as TransactionMaker;
  for (const each of [client, machine.client]) for (const name of TAKEN_OVER) each[name] = undefined as never;
  return {
    handle,
    client,
    added: Object.keys(machine).filter((name) => !earlier.includes(name)),
    refuse({ txid }, isOwnConnection, statement) {
      machine.txid = txid;
      return client.query(isOwnConnection ? connection : {}, statement) as Promise<never>;
    },
  };
}

/** A client of the same class and config, without a pool. */
export function clientLike(like: TransactionMaker): TransactionMaker {
  const client = Object.create(knexPrototypeOf(like)) as TransactionMaker;
  for (const name of TAKEN_OVER) client[name] = like[name] as never;
  return client;
}
