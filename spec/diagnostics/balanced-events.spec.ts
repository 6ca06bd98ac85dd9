// That the events of transactions balance: whatever happens, each that begins ends once, and none ends that did not begin.
import { expect } from 'chai';
import { atomic } from '../../lib';
import type { TransactionEvent } from '../../lib';
import { never, outcome } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { later, pidOf, useStage } from '../transaction/stage';
import { useMessages } from './stage';

describe('the channel of transactions', () => {
  const stage = useStage();
  const events = useMessages<TransactionEvent>('knex-reset:transaction');
  const mine = new Error('mine');
  const throwing = { hook: () => Promise.reject(mine) };

  const isEnd = ({ event }: TransactionEvent) => event !== 'begin' && event !== 'fatal';

  /** What happens, and how the transactions that it takes end. */
  const cases: [title: string, ends: string[], act: () => PromiseLike<unknown>][] = [
    ['a block is refused', [], () => stage.db.atomic(() => {}, { isolationLevel: 'none' as never })],
    [
      'the connection is lost at BEGIN',
      [],
      () => {
        stage.proxy.cutBefore(/BEGIN/);
        return stage.db.atomic(() => {});
      },
    ],
    [
      'the connection is lost between BEGIN and the block',
      [],
      () => {
        stage.proxy.cutBefore(/DEFERRABLE/);
        return stage.db.atomic(() => {}, { deferrable: true });
      },
    ],
    ['afterBegin throws', ['rollback'], () => stage.db.atomic(() => {}, { hooks: { afterBegin: throwing.hook } })],
    ['beforeCommit throws', ['rollback'], () => stage.db.atomic(() => {}, { hooks: { beforeCommit: throwing.hook } })],
    ['afterCommit throws', ['commit'], () => stage.db.atomic(() => {}, { hooks: { afterCommit: throwing.hook } })],
    [
      'afterRollback throws',
      ['rollback'],
      () => stage.db.atomic(() => Promise.reject(mine), { hooks: { afterRollback: throwing.hook } }),
    ],
    [
      'a constraint fails at COMMIT',
      ['rollback'],
      () => stage.db.transaction((trx) => trx.raw('insert into u values (1), (1)')),
    ],
    ['a block commits by hand', ['rollback'], () => stage.db.atomic((trx) => trx.commit())],
    ['a raw COMMIT ends a transaction', ['commit'], () => stage.db.transaction((trx) => trx.raw('commit'))],
    ['a raw ROLLBACK ends a block', ['rollback'], () => stage.db.atomic((trx) => trx.raw('rollback'))],
    [
      'a handle is ended several times',
      ['commit'],
      async () => {
        const trx = await stage.db.transaction();
        await Promise.all([trx.commit(), outcome(trx.commit()), trx.rollback()]);
      },
    ],
    [
      'the connection is lost at ROLLBACK',
      ['rollback'],
      () => {
        stage.proxy.cutBefore(/ROLLBACK/);
        return stage.db.atomic(() => Promise.reject(mine));
      },
    ],
    [
      'the backend dies while an inner block is open',
      ['rollback'],
      () =>
        stage.db.atomic((trx) =>
          trx.atomic(async (inner) => {
            await stage.database.terminate(await pidOf(inner));
            await inner.raw('select 1');
          }),
        ),
    ],
    [
      'a reset comes while BEGIN is under way',
      [],
      async () => {
        stage.proxy.swallowAnswersAfter(/BEGIN/);
        const block = later(stage.db.atomic(() => {}));
        await until('it has its connection', () => stage.db.connectionState().transactions.length === 1);
        await stage.db.resetConnection({ timeoutMillis: 100 });
        return block;
      },
    ],
    [
      'a reset comes while an inner block is open',
      ['rollback'],
      async () => {
        const block = later(stage.db.atomic((trx) => trx.atomic((inner) => inner.raw('select 1').then(never))));
        await until('it is open', () => stage.db.connectionState().transactions[0]?.depth === 2);
        await stage.db.resetConnection();
        return block;
      },
    ],
    [
      'a signal ends it',
      ['rollback'],
      async () => {
        const controller = new AbortController();
        const block = later(stage.db.atomic((trx) => trx.raw('select pg_sleep(30)'), { signal: controller.signal }));
        await stage.running(/pg_sleep/);
        controller.abort(mine);
        return block;
      },
    ],
    [
      'they run in a sandbox, one after the other and inside each other',
      // The last end is that of the sandbox.
      ['commit', 'rollback', 'commit', 'rollback'],
      () =>
        stage.db.sandbox(async () => {
          await stage.db.transaction((trx) => trx.transaction((inner) => inner.raw('select 1')));
          await outcome(stage.db.atomic((trx) => trx.raw('select 1/0')));
          await stage.db.atomic((trx) => trx.atomic((inner) => inner.raw('select 1')));
        }),
    ],
    [
      'one is left open in a sandbox',
      ['rollback', 'rollback'],
      async () => {
        const sandbox = await stage.db.openSandbox();
        const trx = await stage.db.transaction();
        void later(trx.executionPromise);
        await sandbox.close();
        await outcome(trx.executionPromise);
      },
    ],
    [
      'a block runs in a transaction of a plain knex',
      ['commit'],
      async () => {
        const plain = makeKnex(stage.database.connection);
        try {
          await plain.transaction((trx) => atomic(trx, (inner) => inner.raw('select 1')));
        } finally {
          await plain.destroy();
        }
      },
    ],
  ];

  for (const [title, ends, act] of cases) {
    it(`gets one begin and one end when ${title}`, async () => {
      await outcome(act());
      await stage.idle();
      await until('the ends are told', () => events.filter(isEnd).length >= ends.length);
      const log = new Map<string, string[]>();
      for (const { event, transaction } of events)
        if (event !== 'fatal') log.set(transaction.id, [...(log.get(transaction.id) ?? []), event]);
      for (const each of log.values()) expect(each).to.have.lengthOf(2).and.to.have.property('0', 'begin');
      expect(events.filter(isEnd).map(({ event }) => event)).to.deep.equal(ends);
      expect(events.filter(({ event }) => event === 'begin')).to.have.lengthOf(ends.length);
    });
  }
});
