// The hooks of a block that is run again.
import { expect } from 'chai';
import { type AnyError, rejection, useStage } from './stage';

describe('a block with retry', () => {
  const stage = useStage();
  const retry = { attempts: 4, minDelayMillis: 0 };
  const fake = (code: string) => Object.assign(new Error(code), { code });

  describe('and hooks', () => {
    it('drops those of the failed attempts, and says when there is another', async () => {
      const log: unknown[] = [];
      await stage.db.atomic(
        (trx) => {
          const { attempt } = trx;
          trx.beforeCommit(() => void log.push(`beforeCommit ${attempt}`));
          trx.afterCommit(() => void log.push(`afterCommit ${attempt}`));
          trx.afterRollback(() => void log.push(`afterRollback ${attempt}`));
          if (attempt < 3) throw fake('40001');
        },
        {
          retry,
          hooks: {
            onRetry: ({ attempt, error, trx }) =>
              void log.push(`onRetry ${attempt} ${(error as AnyError).code} ${trx.isCompleted()}`),
          },
        },
      );
      expect(log).to.deep.equal([
        'afterRollback 1',
        'onRetry 1 40001 true',
        'afterRollback 2',
        'onRetry 2 40001 true',
        'beforeCommit 3',
        'afterCommit 3',
      ]);
    });

    it('says nothing of another attempt where there is none', async () => {
      const log: string[] = [];
      const hooks = { onRetry: () => void log.push('onRetry'), afterRollback: () => void log.push('afterRollback') };
      await rejection(stage.db.atomic(() => Promise.reject(fake('40001')), { retry: { attempts: 1 }, hooks }));
      await rejection(stage.db.atomic(() => Promise.reject(fake('23505')), { retry, hooks }));
      expect(log).to.deep.equal(['afterRollback', 'afterRollback']);
    });

    it('says it to those of the instance, also where the connection was lost before the block was called', async () => {
      let calls = 0;
      const db = stage.make({ hooks: { onRetry: () => void calls++ } });
      await db.raw('select 1');
      stage.proxy.cutBefore(/BEGIN/);
      await db.atomic(() => {}, { retry });
      expect(calls).to.equal(1);
    });
  });
});
