// That the channel of transactions costs nothing while nobody subscribes, and that a subscriber breaks nothing.
import { expect } from 'chai';
import type { TransactionEvent } from '../../lib';
import { publish } from '../../lib/transaction/channel';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { catching, subscribed, throwingIn } from './stage';

const CHANNEL = 'knex-reset:transaction';

describe('the channel of transactions', () => {
  const stage = useStage();

  before(() => stage.database.query('create table t (id int)'));

  describe('while nobody subscribes', () => {
    /** One that counts how often it is described. */
    const countedScope = (count: { described: number }) => ({
      isOutermost: true,
      hasBegun: true,
      describe() {
        count.described++;
        return {} as TransactionEvent['transaction'];
      },
    });

    it('does not describe the transaction', async () => {
      const count = { described: 0 };
      for (const event of ['begin', 'fatal', 'rollback'] as const) publish(event, countedScope(count));
      expect(count.described).to.equal(0);
      await subscribed(CHANNEL, () => publish('begin', countedScope(count)));
      expect(count.described).to.equal(1);
      publish('commit', countedScope(count));
      expect(count.described).to.equal(1);
    });

    it('formats no stack', async () => {
      const db = stage.resettable();
      const run = async () => {
        await db.transaction((trx) => trx.raw('select 1'));
        await db.atomic((trx) => trx.atomic((inner) => inner.raw('select 1')));
      };
      await run();
      expect(await stacksFormatted(run)).to.equal(0);
      expect(await stacksFormatted(() => subscribed(CHANNEL, run))).to.be.above(0);
    });
  });

  describe('while a subscriber throws', () => {
    const mine = new Error('mine');

    it('commits all the same: node reports it as uncaught', async () => {
      const db = stage.resettable();
      const uncaught = await catching(() =>
        throwingIn(CHANNEL, mine, async () => {
          expect(
            await db.transaction((trx) =>
              trx('t')
                .insert({ id: 1 })
                .then(() => 'one'),
            ),
          ).to.equal('one');
          expect(
            await db.atomic((trx) =>
              trx('t')
                .insert({ id: 2 })
                .then(() => 'two'),
            ),
          ).to.equal('two');
        }),
      );
      expect(uncaught).to.deep.equal([mine, mine, mine, mine]);
      expect(await stage.database.query('select id from t order by id')).to.deep.equal([{ id: 1 }, { id: 2 }]);
    });

    it('rolls back all the same, for the same error', async () => {
      const db = stage.resettable();
      const uncaught = await catching(() =>
        throwingIn(CHANNEL, mine, async () => {
          const error = await failure(db.atomic((trx) => trx.raw('select 1/0')));
          expect(error).to.include({ code: '22012' }).and.not.to.have.property('suppressed');
        }),
      );
      expect(uncaught).to.deep.equal([mine, mine]);
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });
  });

  /** How often V8 makes a stack's text, which it does when somebody reads it. */
  async function stacksFormatted(work: () => Promise<void>): Promise<number> {
    const usual = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let count = 0;
    const counting = (error: Error) => {
      count++;
      return String(error);
    };
    Object.defineProperty(Error, 'prepareStackTrace', { value: counting, configurable: true, writable: true });
    try {
      await work();
    } finally {
      if (usual) Object.defineProperty(Error, 'prepareStackTrace', usual);
      else Reflect.deleteProperty(Error, 'prepareStackTrace');
    }
    return count;
  }
});
