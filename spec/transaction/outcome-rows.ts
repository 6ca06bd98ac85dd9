// The rows of the outcome table: how a block ended × what the server said → what comes of it.
import { expect } from 'chai';
import type { AtomicOptions, AtomicTransaction, TransactionHooks } from '../../lib';
import { later, rejection, type ProxiedStage } from './stage';

export const mine = new Error('mine');
const INSERT = 'insert into t values (1)';
const SLEEP = 'select pg_sleep(10)';

export interface Row {
  ended: string;
  said: string;
  before?(): void;
  block(trx: AtomicTransaction): unknown;
  options?: AtomicOptions;
  /** The value, `mine`, or the error's code. */
  gets: string;
  cause?: string;
  suppressed?: number;
  sql: string[];
  hooks: (keyof TransactionHooks)[];
  connection: 'kept' | 'closed';
}

export function outcomeRows(stage: ProxiedStage): Row[] {
  const swallowed = (trx: AtomicTransaction) =>
    trx.raw('select 1/0').then(
      () => {},
      () => {},
    );
  const killed = async (trx: AtomicTransaction) => {
    const query = rejection(trx.raw(SLEEP));
    await stage.running(/pg_sleep/);
    const [backend] = await stage.database.backends();
    await Promise.all([query, stage.database.terminate(backend!.pid)]);
  };
  const insert = (trx: AtomicTransaction) => trx.raw(INSERT).then(() => 'value');

  return [
    {
      ended: 'returned',
      said: 'COMMIT',
      block: insert,
      gets: 'value',
      sql: ['BEGIN;', INSERT, 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterCommit'],
      connection: 'kept',
    },
    {
      ended: 'returned, having swallowed a failed statement',
      said: 'ROLLBACK to COMMIT',
      block: swallowed,
      gets: 'ERR_TRANSACTION_FAILED',
      cause: '22012',
      sql: ['BEGIN;', 'select 1/0', 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned, not having awaited a failing statement',
      said: 'ROLLBACK to COMMIT',
      block: (trx) => void later(trx.raw('select 1/0')),
      gets: 'ERR_TRANSACTION_FAILED',
      cause: '22012',
      sql: ['BEGIN;', 'select 1/0', 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned',
      said: 'an error to COMMIT',
      block: (trx) => trx.raw('insert into u values (1), (1)'),
      gets: '23505',
      sql: ['BEGIN;', 'insert into u values (1), (1)', 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned',
      said: 'nothing to COMMIT',
      before: () => void stage.proxy.cutAfter(/COMMIT/),
      block: insert,
      gets: 'ERR_COMMIT_UNKNOWN',
      cause: 'ECONNRESET',
      sql: ['BEGIN;', INSERT, 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterUnknown'],
      connection: 'closed',
    },
    {
      ended: 'returned, but a beforeCommit hook threw',
      said: 'ROLLBACK',
      block: (trx) => trx.beforeCommit(() => Promise.reject(mine)),
      gets: 'mine',
      sql: ['BEGIN;', 'ROLLBACK'],
      hooks: ['afterBegin', 'beforeCommit', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned, but a block that joined it failed',
      said: 'ROLLBACK',
      block: (trx) => rejection(trx.atomic(() => Promise.reject(mine), { savepoint: false })),
      gets: 'ERR_TRANSACTION_FAILED',
      cause: 'mine',
      sql: ['BEGIN;', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned, having sent a raw COMMIT',
      said: 'ROLLBACK, outside of any transaction',
      block: (trx) => trx.raw('commit').then(() => 'value'),
      gets: 'ERR_BLOCK_CONTROL',
      sql: ['BEGIN;', 'commit', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'returned, having swallowed the death of its connection',
      said: 'FATAL',
      block: killed,
      gets: '57P01',
      sql: ['BEGIN;', SLEEP],
      hooks: ['afterBegin', 'onFatal', 'afterRollback'],
      connection: 'closed',
    },
    {
      ended: 'threw',
      said: 'ROLLBACK',
      block: () => Promise.reject(mine),
      gets: 'mine',
      sql: ['BEGIN;', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'threw a failed statement’s error',
      said: 'ROLLBACK',
      block: (trx) => trx.raw('select 1/0'),
      gets: '22012',
      sql: ['BEGIN;', 'select 1/0', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'threw',
      said: 'nothing to ROLLBACK',
      before: () => void stage.proxy.cutAfter(/ROLLBACK/),
      block: () => Promise.reject(mine),
      gets: 'mine',
      suppressed: 1,
      sql: ['BEGIN;', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'closed',
    },
    {
      ended: 'threw after the death of its connection',
      said: 'FATAL',
      block: async (trx) => {
        const query = rejection(trx.raw(SLEEP));
        await stage.running(/pg_sleep/);
        const [backend] = await stage.database.backends();
        void later(stage.database.terminate(backend!.pid));
        await query;
        throw mine;
      },
      gets: 'mine',
      sql: ['BEGIN;', SLEEP],
      hooks: ['afterBegin', 'onFatal', 'afterRollback'],
      connection: 'closed',
    },
    {
      ended: 'threw while a query of its own ran',
      said: '57014, then ROLLBACK',
      block: async (trx) => {
        void later(trx.raw(SLEEP));
        await stage.running(/pg_sleep/);
        throw mine;
      },
      gets: 'mine',
      sql: ['BEGIN;', SLEEP, 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'ran out of time',
      said: '57014, then ROLLBACK',
      options: { timeoutMillis: 250 },
      block: (trx) => trx.raw(SLEEP),
      gets: 'ERR_TRANSACTION_TIMEOUT',
      sql: ['BEGIN;', SLEEP, 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
    {
      ended: 'was aborted by a reset',
      said: '57014, or nothing',
      block: async (trx) => {
        const query = later(trx.raw(SLEEP));
        await stage.running(/pg_sleep/);
        await stage.db.resetConnection();
        await query;
      },
      gets: 'ERR_RESET',
      sql: ['BEGIN;', SLEEP],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'closed',
    },
    {
      ended: 'was never begun',
      said: 'nothing to BEGIN',
      before: () => void stage.proxy.cutAfter(/BEGIN/),
      block: () => expect.fail('it was called'),
      gets: 'ECONNRESET',
      sql: ['BEGIN;'],
      hooks: [],
      connection: 'closed',
    },
    {
      ended: 'returned, an inner one having returned',
      said: 'RELEASE, COMMIT',
      block: (trx) => trx.atomic(insert),
      gets: 'value',
      sql: ['BEGIN;', 'SAVEPOINT s1;', INSERT, 'RELEASE SAVEPOINT s1;', 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterCommit'],
      connection: 'kept',
    },
    {
      ended: 'returned, an inner one having thrown',
      said: 'ROLLBACK TO, RELEASE, COMMIT',
      block: (trx) => rejection(trx.atomic(() => Promise.reject(mine))).then(() => 'value'),
      gets: 'value',
      sql: ['BEGIN;', 'SAVEPOINT s1;', 'ROLLBACK TO SAVEPOINT s1', 'RELEASE SAVEPOINT s1;', 'COMMIT;'],
      hooks: ['afterBegin', 'beforeCommit', 'afterCommit'],
      connection: 'kept',
    },
    {
      ended: 'returned, an inner one having swallowed a failed statement',
      said: '25P02 to RELEASE, ROLLBACK TO, RELEASE, COMMIT',
      block: (trx) => rejection(trx.atomic(swallowed)).then(() => 'value'),
      gets: 'value',
      sql: [
        'BEGIN;',
        'SAVEPOINT s1;',
        'select 1/0',
        'RELEASE SAVEPOINT s1;',
        'ROLLBACK TO SAVEPOINT s1',
        'RELEASE SAVEPOINT s1;',
        'COMMIT;',
      ],
      hooks: ['afterBegin', 'beforeCommit', 'afterCommit'],
      connection: 'kept',
    },
    {
      ended: 'threw what an inner one had thrown',
      said: 'ROLLBACK TO, RELEASE, ROLLBACK',
      block: (trx) => trx.atomic(() => Promise.reject(mine)),
      gets: 'mine',
      sql: ['BEGIN;', 'SAVEPOINT s1;', 'ROLLBACK TO SAVEPOINT s1', 'RELEASE SAVEPOINT s1;', 'ROLLBACK'],
      hooks: ['afterBegin', 'afterRollback'],
      connection: 'kept',
    },
  ];
}
