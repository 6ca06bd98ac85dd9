// Whether knex's own handle and client are what those of this folder are made after. Where a member of knex's is unknown here, or not bound
// to one transaction as is thought here, they are not.
import { EventEmitter } from 'node:events';
import { TAKEN_OVER, TOLD_OF } from './client';
import { OF_ONE_CONTEXT, OF_ONE_TRANSACTION } from './handle';
import type { Sample } from './sample';

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

export function isOfKnownShape({ handle, client, added }: Sample): boolean {
  return (
    areAmong(OF_MACHINE, added) &&
    areAmong(OF_CLIENT, Object.keys(client)) &&
    areAmong(TOLD_OF, client.eventNames()) &&
    boundMembers(handle, OF_ONE_TRANSACTION).length === 0 &&
    boundMembers(handle.context, OF_ONE_CONTEXT).length === 0
  );
}

function areAmong(known: readonly unknown[], found: readonly unknown[]): boolean {
  return found.every((each) => known.includes(each));
}

/** The members of a handle or its context that belong to it alone, or do not go by `this`, but for those that are made anew. */
export function boundMembers(of: object, madeAnew: readonly string[]): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(of) as Record<string, PropertyDescriptor>)
    .filter(([name, { value, get }]) => {
      const code: unknown = value ?? get;
      // It throws, whatever it is called on. And each function has a prototype.
      if (name === 'withUserParams' || name === 'prototype' || madeAnew.includes(name)) return false;
      if (typeof code !== 'function') return typeof code === 'object' && code !== null;
      const source = Function.prototype.toString.call(code);
      return !/\bthis\b/.test(source) || CLOSED_OVER.test(source);
    })
    .map(([name]) => name);
}
