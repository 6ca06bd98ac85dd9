// Whether knex's own handle and client are what those of this folder are made after. Where a member of knex's is unknown here, or not bound
// to one transaction as is thought here, they are not.
import { EventEmitter } from 'node:events';
import type { KnexClient, KnexTransaction } from '../insides';
import { TAKEN_OVER, TOLD_OF } from './client';
import { type Inherited, OF_ONE_CONTEXT, OF_ONE_TRANSACTION } from './handle';
import { clientLike, type Sample } from './sample';

const EMITTER = Object.keys(new EventEmitter());
const OF_MACHINE = ['_resolver', '_rejecter', 'transactor'];
const OF_CLIENT = [
  ...TAKEN_OVER,
  ...EMITTER,
  'transacting',
  'query',
  'stream',
  'acquireConnection',
  'releaseConnection',
];
/** What knex's functions call what belongs to one transaction, where they do not find it by `this`. */
const CLOSED_OVER = /\b(transactor|connection|knexFn|knexContext)\b/;

/** @param like a client whose transactions the sample was made as */
export function isOfKnownShape({ handle, client, added }: Sample, inherited: Inherited, like: KnexClient): boolean {
  return (
    areAmong(OF_MACHINE, added) &&
    areAmong(OF_CLIENT, Object.keys(client)) &&
    areAmong(TOLD_OF, client.eventNames()) &&
    boundMembers(handle, OF_ONE_TRANSACTION).length === 0 &&
    boundMembers(handle.context, OF_ONE_CONTEXT).length === 0 &&
    asksItsOwnClient(inherited, like)
  );
}

function areAmong(known: readonly unknown[], found: readonly unknown[]): boolean {
  return found.every((each) => known.includes(each));
}

/** The functions of a handle or its context that do not go by `this`, but for those that are made anew for each transaction. */
export function boundMembers(of: object, madeAnew: readonly string[]): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(of) as Record<string, PropertyDescriptor>)
    .filter(([name, { value, get }]) => {
      const code: unknown = value ?? get;
      // It throws, whatever it is called on.
      if (typeof code !== 'function' || name === 'withUserParams' || madeAnew.includes(name)) return false;
      const source = Function.prototype.toString.call(code);
      return !/\bthis\b/.test(source) || CLOSED_OVER.test(source);
    })
    .map(([name]) => name);
}

type Asks = Record<'raw' | 'ref' | 'select' | 'from' | 'queryBuilder', (...args: unknown[]) => { client: unknown }> &
  Record<'schema' | 'fn', { client: unknown }>;

/** A handle that inherits from the sample asks on the client that it was made with, not on the sample's. */
function asksItsOwnClient(inherited: Inherited, like: KnexClient): boolean {
  const client = clientLike(like);
  const trx = { trxClient: client, client, outerTx: null } as unknown as KnexTransaction;
  const handle = inherited.make(trx, {}, Promise.resolve()) as unknown as Asks & ((table: string) => object);
  const asked = [
    handle.queryBuilder(),
    handle.raw('1'),
    handle.ref('a'),
    handle.select('a'),
    handle.from('t'),
    handle('t'),
    handle.schema,
    handle.fn,
  ];
  return asked.every((each) => (each as { client: unknown }).client === client);
}
