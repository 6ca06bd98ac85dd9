// Each await on a transaction's way out, as a step at which something can be made to strike.
import type { AtomicOptions, AtomicTransaction } from '../../lib';
import type { ProxyLink } from '../support/proxy-link';
import { later, type ProxiedStage } from './stage';

export const mine = new Error('mine');
const never = new Promise<never>(() => {});

/** What comes in the middle: over one link if it is known which, else over all of them. */
export type Strike = (link?: ProxyLink) => void;
export type Run = (block: (trx: AtomicTransaction) => unknown, options?: AtomicOptions) => Promise<unknown>;

export interface Step {
  name: string;
  run(run: Run, strike: Strike): Promise<unknown>;
  /** What comes out: the value, `mine`, or an error's code. */
  death: string;
  reset: string;
}

/** Strikes when a message that matches was about to be handed on. */
export function at(stage: ProxiedStage, match: RegExp | 'cancel', strike: Strike): void {
  let isDone = false;
  stage.proxy.onMessage(({ type, bytes }, link) => {
    if (isDone || (match === 'cancel' ? type !== 'cancel' : !match.test(bytes.toString('latin1')))) return;
    isDone = true;
    strike(match === 'cancel' ? undefined : link);
  });
}

export function exitSteps(stage: ProxiedStage): Step[] {
  const struckWhile = (match: RegExp, strike: Strike) => stage.running(match).then(() => strike());

  return [
    {
      name: 'while queries that were not awaited are waited for',
      run: (run, strike) =>
        run((trx) => {
          void later(trx.raw('select pg_sleep(10)'));
          void later(struckWhile(/pg_sleep/, strike));
        }),
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while a beforeCommit hook runs, which never ends',
      run: (run, strike) =>
        run((trx) =>
          trx.beforeCommit(() => {
            strike();
            return never;
          }),
        ),
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while a beforeCommit hook runs, which then ends',
      run: (run, strike) =>
        run((trx) =>
          trx.beforeCommit(async () => {
            strike();
            await stage.database.query('select 1');
          }),
        ),
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while a query of a beforeCommit hook runs',
      run: (run, strike) =>
        run((trx) =>
          trx.beforeCommit(() => {
            void later(struckWhile(/pg_sleep/, strike));
            return trx.raw('select pg_sleep(10)');
          }),
        ),
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while a query that a beforeCommit hook did not await is waited for',
      run: (run, strike) =>
        run((trx) =>
          trx.beforeCommit(() => {
            void later(struckWhile(/pg_sleep/, strike));
            void later(trx.raw('select pg_sleep(10)'));
          }),
        ),
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while the xid is asked for',
      run: (run, strike) => {
        at(stage, /pg_current_xact_id/, strike);
        return run((trx) => trx.raw('insert into t values (1)'), { verifyCommit: true });
      },
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while COMMIT waits for a plain transaction’s query',
      run: async (_, strike) => {
        const trx = await stage.db.transaction();
        void later(trx.executionPromise);
        void later(trx.raw('select pg_sleep(10)'));
        await stage.running(/pg_sleep/);
        const committed = later(trx.commit());
        strike();
        return committed;
      },
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while COMMIT is under way',
      run: (run, strike) => {
        at(stage, /COMMIT/, strike);
        return run((trx) => trx.raw('insert into t values (1)'));
      },
      death: 'ERR_COMMIT_UNKNOWN',
      reset: 'ERR_COMMIT_UNKNOWN',
    },
    {
      name: 'while RELEASE is under way',
      run: (run, strike) => {
        at(stage, /RELEASE/, strike);
        return run((trx) => trx.atomic((nested) => nested.raw('insert into t values (1)')));
      },
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while RELEASE is under way, what comes of it swallowed',
      run: (run, strike) => {
        at(stage, /RELEASE/, strike);
        return run((trx) => trx.atomic(() => {}).catch(() => {}));
      },
      death: 'ECONNRESET',
      reset: 'ERR_RESET',
    },
    {
      name: 'while its last query is being cancelled',
      run: (run, strike) => {
        at(stage, 'cancel', strike);
        return run(async (trx) => {
          void later(trx.raw('select pg_sleep(10)'));
          await stage.running(/pg_sleep/);
          throw mine;
        });
      },
      death: 'mine',
      reset: 'mine',
    },
    {
      name: 'while ROLLBACK is under way',
      run: (run, strike) => {
        at(stage, /ROLLBACK/, strike);
        return run(() => Promise.reject(mine));
      },
      death: 'mine',
      reset: 'mine',
    },
    {
      name: 'while ROLLBACK is under way because of a limit',
      run: (run, strike) => {
        at(stage, /ROLLBACK/, strike);
        return run(() => never, { timeoutMillis: 200 });
      },
      death: 'ERR_TRANSACTION_TIMEOUT',
      reset: 'ERR_TRANSACTION_TIMEOUT',
    },
    {
      name: 'while ROLLBACK of a handle is under way',
      run: async (_, strike) => {
        const trx = await stage.db.transaction();
        void later(trx.executionPromise);
        at(stage, /ROLLBACK/, strike);
        await trx.rollback();
        return 'value';
      },
      death: 'value',
      reset: 'value',
    },
    {
      name: 'while ROLLBACK TO is under way',
      run: (run, strike) => {
        at(stage, /ROLLBACK TO/, strike);
        return run((trx) => trx.atomic(() => Promise.reject(mine)));
      },
      death: 'mine',
      reset: 'mine',
    },
    {
      name: 'while the savepoint is released after its rollback',
      run: (run, strike) => {
        at(stage, /RELEASE/, strike);
        return run((trx) => trx.atomic(() => Promise.reject(mine)));
      },
      death: 'mine',
      reset: 'mine',
    },
    {
      name: 'while an onFatal hook runs',
      run: (run, strike) => {
        const raise = `do $$ begin raise exception 'pretended' using errcode = '58030'; end $$`;
        return run((trx) => trx.raw(raise), {
          hooks: {
            onFatal: async () => {
              strike();
              await stage.database.query('select 1');
            },
          },
        });
      },
      death: '58030',
      reset: '58030',
    },
    {
      name: 'while a lost COMMIT is asked about',
      run: (run, strike) => {
        stage.proxy.cutAfter(/COMMIT/);
        at(stage, /pg_xact_status/, strike);
        return run((trx) => trx.raw('insert into t values (1)').then(() => 'value'), { verifyCommit: true });
      },
      death: 'value',
      reset: 'value',
    },
    {
      name: 'while an afterCommit hook runs',
      run: (run, strike) =>
        run(async (trx) => {
          trx.afterCommit(async () => {
            strike();
            await stage.database.query('select 1');
          });
          return 'value';
        }),
      death: 'value',
      reset: 'value',
    },
    {
      name: 'while an afterRollback hook runs',
      run: (run, strike) =>
        run((trx) => {
          trx.afterRollback(async () => {
            strike();
            await stage.database.query('select 1');
          });
          throw mine;
        }),
      death: 'mine',
      reset: 'mine',
    },
  ];
}
