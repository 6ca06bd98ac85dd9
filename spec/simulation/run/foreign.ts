// Code of others that the instance calls in the middle of its work: hooks, listeners, the driver. It may throw, hang or ask.
import type { Knex } from 'knex';
import pg from 'pg';
import type { ResettableOptions, TransactionHookContext, TransactionHooks } from '../../../lib';
import type { Foreign } from '../schedule/schedule';
import type { Ledger } from './ledger';
import { OwnError } from './own-error';

const HOOKS = [
  'afterBegin',
  'beforeCommit',
  'afterCommit',
  'afterRollback',
  'onFatal',
  'onRetry',
  'afterUnknown',
] as const;

interface Witness {
  ledger: Ledger;
  /** From then on it does nothing but its work. */
  isQuiet: boolean;
  released: Promise<void>;
}

export function foreignOptions({ hooks, isFatal, onLeak }: Foreign, witness: Witness): Partial<ResettableOptions> {
  const options: Partial<ResettableOptions> = {};
  if (hooks) options.hooks = watchedHooks(hooks, witness);
  if (isFatal === 'standard') options.isFatal = (_, standard) => standard;
  if (isFatal === 'never') options.isFatal = () => false;
  if (isFatal === 'throw') {
    options.isFatal = (_, standard) => {
      if (witness.isQuiet) return standard;
      throw new OwnError('thrown in isFatal');
    };
  }
  if (onLeak) {
    options.onLeak = () => {
      throw new OwnError('thrown in onLeak');
    };
  }
  return options;
}

function watchedHooks(does: 'watch' | 'throw' | 'hang', witness: Witness): TransactionHooks {
  const { ledger, released } = witness;
  let count = 0;
  const hookOf = (hook: string) => async (context: TransactionHookContext) => {
    ledger.hooks.push({ ...ledger.now(), hook, label: context.label, depth: context.depth });
    count += 1;
    if (count % 5 !== 0 || does === 'watch' || witness.isQuiet) return;
    if (does === 'throw') throw new OwnError(`thrown in ${hook}`);
    await released;
  };
  return Object.fromEntries(HOOKS.map((hook) => [hook, hookOf(hook)]));
}

type Created = { query(sql: string, done: (error: unknown) => void): void };

export function foreignPool({ afterCreate }: Foreign, witness: Witness): object {
  if (!afterCreate) return {};
  let count = 0;
  return {
    afterCreate(connection: Created, done: (error: unknown, connection: unknown) => void) {
      count += 1;
      if (afterCreate === 'fail' && count % 2 === 0 && !witness.isQuiet)
        done(new OwnError('refused in afterCreate'), connection);
      else connection.query("set application_name to 'simulated'", (error) => done(error, connection));
    },
  };
}

export function listenTo(db: Knex, { listener }: Foreign, witness: Witness): void {
  if (!listener) return;
  let count = 0;
  db.on('query', () => {
    count += 1;
    if (count % 7 === 0 && !witness.isQuiet) throw new OwnError('thrown in a listener');
  });
}

/** Makes every nth `end()` of the driver throw. Returns the undo. */
export function throwAtEnd({ endThrows }: Foreign): () => void {
  if (endThrows === undefined) return () => {};
  const { prototype } = pg.Client;
  const end = Reflect.get(prototype, 'end') as (...args: unknown[]) => unknown;
  let count = 0;
  const throwing = function (this: unknown, ...args: unknown[]) {
    count += 1;
    if (count % endThrows === 0) throw new OwnError('thrown in end()');
    return end.apply(this, args);
  };
  Object.assign(prototype, { end: throwing });
  return () => void Object.assign(prototype, { end });
}
