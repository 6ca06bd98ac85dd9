// Two copies of the package in one process, as npm installs them: an instance belongs to the first that has it, with all that is its own.
import path from 'node:path';
import { expect } from 'chai';
import type * as lib from '../../lib';
import type * as migrations from '../../lib/migrations';
import type * as testing from '../../lib/testing';
import { atomic, resettable } from '../../lib';
import { failure, outcome } from '../support/outcome';
import { useStage } from '../support/stage';

describe('a second copy of the package', () => {
  const stage = useStage();

  const atOnce = async (work: () => unknown) => work();

  /** Loaded anew, as from another node_modules. */
  function secondCopy(entry = 'index'): unknown {
    const folder = path.resolve(__dirname, '../../lib');
    const kept = Object.entries(require.cache).filter(([name]) => name.startsWith(folder));
    for (const [name] of kept) delete require.cache[name];
    const copy = require(path.join(folder, entry)) as unknown;
    for (const name of Object.keys(require.cache)) if (name.startsWith(folder)) delete require.cache[name];
    for (const [name, module] of kept) require.cache[name] = module;
    return copy;
  }

  it('refuses an instance that the first one has made resettable, by a TypeError that says so', async () => {
    const db = stage.resettable();
    const copy = secondCopy() as typeof lib;
    expect(copy.resettable).not.to.equal(resettable);
    expect(() => copy.resettable(db)).to.throw(TypeError, 'another copy of knex-reset');
    expect(await failure(copy.atomic(db, async () => 1))).to.be.an.instanceof(TypeError);
    await db.transaction(async (trx) => {
      const { error } = await outcome(copy.atomic(trx, async () => 1));
      expect(error).to.be.an.instanceof(TypeError);
      expect((error as Error).message).to.include('another copy of knex-reset');
    });
    expect(await atomic(db, async () => 2)).to.equal(2);
  });

  it('refuses to empty its tables, to lock its migrations and to reset it for tests', async () => {
    const db = stage.resettable();
    const { emptyTables, resetHooks } = secondCopy('testing') as typeof testing;
    const { withMigrationLock } = secondCopy('migrations') as typeof migrations;
    for (const refused of [emptyTables(db), withMigrationLock(db, async () => 1), atOnce(() => resetHooks(db))]) {
      const error = await failure(refused);
      expect(error).to.be.an.instanceof(TypeError);
      expect(error.message).to.include('another copy of knex-reset');
    }
  });

  describe('with what was there before the instance was made resettable', () => {
    const second = secondCopy() as typeof lib;
    const { emptyTables, resetHooks } = secondCopy('testing') as typeof testing;
    const { withMigrationLock } = secondCopy('migrations') as typeof migrations;
    const expectRefused = async (works: Record<string, () => unknown>) => {
      for (const [name, work] of Object.entries(works)) {
        const { error } = await outcome(atOnce(work));
        expect(error, name).to.be.an.instanceof(TypeError);
        expect((error as Error).message, name).to.include('another copy of knex-reset');
      }
    };

    it('refuses a copy by withUserParams()', async () => {
      const plain = stage.knex();
      const copy = plain.withUserParams({ tenant: 1 });
      const db = resettable(plain);
      await expectRefused({
        resettable: () => second.resettable(copy),
        atomic: () => second.atomic(copy, () => 1),
        'atomic in a transaction': () => copy.transaction((trx) => second.atomic(trx, () => 1)),
        afterCommit: () => second.afterCommit(copy, () => {}),
        emptyTables: () => emptyTables(copy),
        resetHooks: () => resetHooks(copy as typeof db),
        withMigrationLock: () => withMigrationLock(copy as typeof db, () => 1),
      });
      expect(await resettable(copy).atomic(() => 2)).to.equal(2);
    });

    it('refuses a transaction', async () => {
      const plain = stage.knex();
      const [one, other] = [await plain.transaction(), await plain.withUserParams({ tenant: 1 }).transaction()];
      resettable(plain);
      for (const trx of [one, other]) {
        await expectRefused({
          atomic: () => second.atomic(trx, () => 1),
          'atomic in a savepoint': () => trx.transaction((inner) => second.atomic(inner, () => 1)),
          afterCommit: () => second.afterCommit(trx, () => {}),
        });
        await trx.rollback();
      }
    });
  });
});
