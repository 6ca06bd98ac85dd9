// The limit of a block stops what the block runs. What other code runs in the same sandbox goes on.
import { expect } from 'chai';
import { defer } from '../../lib/words/waiting';
import { failure, outcome } from '../support/outcome';
import { ids, KINDS, useTables } from './stage';

const SLEEP = 'select pg_sleep(1.5)';

for (const [kind, run] of KINDS) {
  describe(`${kind}: the limit of a block, while other code has the turn`, () => {
    const stage = useTables();

    it('cancels no query of others while the end of the block waits for its turn', async () => {
      const db = stage.resettable();
      await run(db, async () => {
        const [begun, go] = [defer(), defer()];
        const block = outcome(
          db.atomic(
            async (trx) => {
              await trx('t').insert({ id: 1 });
              begun.resolve();
              await go.promise;
              return 'value';
            },
            { timeoutMillis: 1000 },
          ),
        );
        await Promise.race([begun.promise, block]);
        const others = outcome(db.raw(SLEEP));
        await stage.running('pg_sleep');
        go.resolve();
        expect((await others).error).to.equal(undefined);
        await block;
        expect(await outcome(db('t').pluck('id'))).to.have.property('value');
      });
      expect(await ids(stage)).to.deep.equal([]);
    });

    it('cancels no query of others while a query of the block waits for its turn', async () => {
      const db = stage.resettable();
      await run(db, async () => {
        const [begun, go] = [defer(), defer()];
        const block = failure(
          db.atomic(
            async (trx) => {
              await trx('t').insert({ id: 1 });
              begun.resolve();
              await go.promise;
              await trx('t').insert({ id: 2 });
            },
            { timeoutMillis: 1000 },
          ),
        );
        await Promise.race([begun.promise, block]);
        const others = outcome(db.raw(SLEEP));
        await stage.running('pg_sleep');
        go.resolve();
        expect((await others).error).to.equal(undefined);
        expect(await block).to.have.property('code', 'ERR_TRANSACTION_TIMEOUT');
        expect(await db('t').pluck('id')).to.deep.equal([]);
      });
    });
  });
}
