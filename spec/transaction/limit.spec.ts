// A block's time limit and its abort signal: what runs is cancelled on the server, the block is rolled back.
import { expect } from 'chai';
import type { AtomicOptions } from '../../lib';
import { TransactionTimeoutError } from '../../lib';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { later, rejection, useStage } from './stage';

describe('a block with a limit', () => {
  const stage = useStage(undefined, { pool: { max: 1 } });
  const reason = new Error('the reason');

  /** Both ways to say when a block must end; what it then rejects with. */
  interface Limit {
    name: string;
    options(): AtomicOptions;
    /** How long it takes by itself, in milliseconds. */
    millis: number;
    /** Makes it strike, where it does not by itself. */
    strike(): void;
    expected(error: unknown): void;
  }
  let controller: AbortController;
  const limits: Limit[] = [
    {
      name: 'timeoutMillis',
      millis: 250,
      options: () => ({ timeoutMillis: 250 }),
      strike: () => {},
      expected: (error) =>
        expect(error).to.be.instanceOf(TransactionTimeoutError).with.property('code', 'ERR_TRANSACTION_TIMEOUT'),
    },
    {
      name: 'signal',
      millis: 0,
      options: () => {
        controller = new AbortController();
        return { signal: controller.signal };
      },
      strike: () => controller.abort(reason),
      expected: (error) => expect(error).to.equal(reason),
    },
  ];

  /** How many wait for a notice on the pool's only connection. */
  async function noticeListeners(): Promise<number> {
    const raw = await stage.db.client.acquireConnection();
    await stage.db.client.releaseConnection(raw);
    return raw.listenerCount('notice');
  }

  for (const limit of limits) {
    describe(`by ${limit.name}`, () => {
      it('cancels the running statement on the server, which frees its locks', async () => {
        let query: Promise<unknown> | undefined;
        const promise = later(
          stage.db.atomic(async (trx) => {
            await trx.raw('lock table t in access exclusive mode');
            query = later(trx.raw('select pg_sleep(10)'));
            await query;
          }, limit.options()),
        );
        await stage.running(/pg_sleep/);
        limit.strike();
        limit.expected(await rejection(promise));
        await rejection(query!);
        expect(await stage.database.locks()).to.deep.equal([]);
        await stage.database.query('truncate t');
        expect(stage.transcript.cancelled).to.have.lengthOf(1);
        expect(stage.sql).to.deep.equal([
          'BEGIN;',
          'lock table t in access exclusive mode',
          'select pg_sleep(10)',
          'ROLLBACK',
        ]);
        await stage.idle();
        expect(stage.db.connectionState().connections).to.include({ idle: 1 });
      });

      it('rolls back at once a block that waits for something else', async () => {
        let isInside = false;
        const promise = later(
          stage.db.atomic(async (trx) => {
            await trx.raw('insert into t values (1)');
            isInside = true;
            await new Promise(() => {});
          }, limit.options()),
        );
        await until('it is inside', () => isInside);
        limit.strike();
        expect(await millisOf(rejection(promise).then((error) => limit.expected(error)))).to.be.lessThan(
          limit.millis + 220,
        );
        expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'ROLLBACK']);
        expect(await stage.ids()).to.deep.equal([]);
      });

      it('refuses the later queries of its callback', async () => {
        let refused: Promise<unknown> | undefined;
        let goOn = () => {};
        const promise = later(
          stage.db.atomic(async (trx) => {
            await trx.raw('select 1');
            await new Promise<void>((resolve) => {
              goOn = resolve;
            });
            refused = later(trx.raw('insert into t values (1)'));
            await refused;
          }, limit.options()),
        );
        await until('it is inside', () => stage.sql.includes('select 1'));
        limit.strike();
        await rejection(promise);
        goOn();
        await until('it asked', () => refused !== undefined);
        await rejection(refused!);
        expect(stage.sql).to.deep.equal(['BEGIN;', 'select 1', 'ROLLBACK']);
      });

      it('rejects while it waits for a connection, and never begins', async () => {
        let calls = 0;
        const holder = await stage.db.transaction();
        const promise = later(stage.db.atomic(() => void calls++, limit.options()));
        await until('it waits', () => stage.db.connectionState().connections.waiting === 1);
        limit.strike();
        expect(await millisOf(rejection(promise).then((error) => limit.expected(error)))).to.be.lessThan(
          limit.millis + 220,
        );
        await holder.rollback();
        await stage.db.raw('select 1');
        await stage.idle();
        expect(calls).to.equal(0);
        expect(stage.sql.filter((sql) => sql === 'BEGIN;')).to.have.lengthOf(1);
        expect(stage.db.connectionState().connections).to.include({ waiting: 0 });
      });

      it('rejects while BEGIN is not answered', async () => {
        let calls = 0;
        stage.proxy.swallowAnswersAfter(/BEGIN/);
        const promise = later(stage.db.atomic(() => void calls++, limit.options()));
        await until('BEGIN was sent', () => stage.sql.includes('BEGIN;'));
        limit.strike();
        limit.expected(await rejection(promise));
        expect(calls).to.equal(0);
        await stage.idle();
        expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });

      it('cancels a COMMIT that waits', async () => {
        await stage.database.query(`
          create or replace function wait() returns trigger language plpgsql as 'begin perform pg_sleep(10); return null; end';
          create constraint trigger waits after insert on t initially deferred for each row execute function wait();`);
        const listenersBefore = await noticeListeners();
        try {
          const promise = later(stage.db.atomic((trx) => trx.raw('insert into t values (1)'), limit.options()));
          await stage.running(/^COMMIT/);
          limit.strike();
          limit.expected(await rejection(promise));
          expect(await stage.database.locks()).to.deep.equal([]);
          expect(await stage.ids()).to.deep.equal([]);
          expect(await noticeListeners()).to.equal(listenersBefore);
        } finally {
          await stage.database.query('drop trigger waits on t');
        }
      });

      it('ends inner blocks with the outer one', async () => {
        let inner: Promise<unknown> | undefined;
        const promise = later(
          stage.db.atomic(async (trx) => {
            inner = later(trx.atomic((nested) => nested.raw('select pg_sleep(10)')));
            await inner;
          }, limit.options()),
        );
        await stage.running(/pg_sleep/);
        limit.strike();
        limit.expected(await rejection(promise));
        await rejection(inner!);
        await stage.idle();
      });

      it('undoes only the inner block whose limit it is', async () => {
        await stage.db.atomic(async (trx) => {
          await trx.raw('insert into t values (1)');
          const inner = later(
            trx.atomic(async (nested) => {
              await nested.raw('insert into t values (2)');
              await nested.raw('select pg_sleep(10)');
            }, limit.options()),
          );
          await stage.running(/pg_sleep/);
          limit.strike();
          limit.expected(await rejection(inner));
          await trx.raw('insert into t values (3)');
        });
        expect(await stage.ids()).to.deep.equal([1, 3]);
      });

      it('causes no other attempt', async () => {
        let calls = 0;
        const promise = later(
          stage.db.atomic(
            async (trx) => {
              calls++;
              await trx.raw('select pg_sleep(10)');
            },
            { ...limit.options(), retry: { attempts: 5, when: () => true } },
          ),
        );
        await stage.running(/pg_sleep/);
        limit.strike();
        limit.expected(await rejection(promise));
        expect(calls).to.equal(1);
      });

      it('ends the pause before the next attempt', async () => {
        let calls = 0;
        const conflict = Object.assign(new Error('conflict'), { code: '40001' });
        const promise = later(
          stage.db.atomic(
            () => {
              calls++;
              throw conflict;
            },
            { ...limit.options(), retry: { attempts: 5, minDelayMillis: 1e6, maxDelayMillis: 1e6 } },
          ),
        );
        await until('the first attempt is over', () => stage.sql.includes('ROLLBACK'));
        await stage.idle();
        limit.strike();
        limit.expected(await rejection(promise));
        expect(calls).to.equal(1);
      });

      it('runs the afterRollback hooks with its error', async () => {
        const errors: unknown[] = [];
        const options = {
          ...limit.options(),
          hooks: { afterRollback: ({ error }: { error: unknown }) => void errors.push(error) },
        };
        const promise = later(stage.db.atomic((trx) => trx.raw('select pg_sleep(10)'), options));
        await stage.running(/pg_sleep/);
        limit.strike();
        const error = await rejection(promise);
        expect(errors).to.deep.equal([error]);
      });
    });
  }
});
