// That `destroy()` does not wait for a sandbox, which never ends by itself.
import { expect } from 'chai';
import { SandboxError } from '../../lib';
import { failure, outcome } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';

const TIMEOUT_MILLIS = 10_000;

describe('destroy()', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int)'));
  beforeEach(() => {
    db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
  });

  async function millisOfDestroy(): Promise<number> {
    const start = performance.now();
    await db.destroy();
    return performance.now() - start;
  }

  describe('while a sandbox is open and nothing runs in it', () => {
    it('ends the sandbox at once', async () => {
      const sandbox = await db.openSandbox();
      await db('t').insert({ id: 1 });
      expect(await millisOfDestroy()).to.be.below(TIMEOUT_MILLIS / 5);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(await stage.database.query('select * from t')).to.be.empty;
      expect(await failure(sandbox.close())).to.be.an.instanceof(SandboxError);
    });

    it('does not wait for a transaction in the sandbox that is never ended', async () => {
      const sandbox = await db.openSandbox();
      const trx = await db.transaction();
      const ended = outcome(trx.executionPromise);
      await trx('t').insert({ id: 1 });
      expect(await millisOfDestroy()).to.be.below(TIMEOUT_MILLIS / 5);
      expect((await ended).error).to.have.property('code', 'ERR_RESET');
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await failure(sandbox.close());
    });
  });

  describe('while a query runs in a sandbox', () => {
    it('lets the query end', async () => {
      const sandbox = await db.openSandbox();
      const query = outcome(db.raw('select pg_sleep(0.4)'));
      await stage.running('pg_sleep');
      expect(await millisOfDestroy()).to.be.below(TIMEOUT_MILLIS / 5);
      expect((await query).error).to.equal(undefined);
      await failure(sandbox.close());
    });
  });
});
