// What withMigrationLock relies on in knex: its 'query' event shows the very bindings that are about to be sent.
import { expect } from 'chai';
import type { Knex, knex } from 'knex';
import { LockRow } from '../../lib/migration-lock/lock-row';
import { useStage } from '../support/stage';
import { lockRow, type Migration, sourceOf, startOver } from './source';

const builds = ['knex', 'knex31', 'knex30'];

for (const build of builds) {
  describe(`the lock row of ${build}`, () => {
    const stage = useStage();
    let db: Knex;
    let during: number[];

    const look = { up: async () => void (during = await lockRow(stage.database)), config: { transaction: false } };
    const latest = (migration: Migration, config: Knex.MigratorConfig = {}) =>
      db.migrate.latest({ ...sourceOf({ one: migration }), ...config });

    beforeEach(async () => {
      await startOver(stage.database);
      const make = require(build) as typeof knex;
      db = make({ client: 'pg', connection: stage.database.connection, pool: { min: 0, max: 2 } });
    });
    afterEach(() => db.destroy());

    it('is 1 while knex runs, 2 while marked, and 0 afterwards', async () => {
      await latest(look);
      expect(during).to.deep.equal([1]);
      await db.migrate.rollback(sourceOf({ one: look }));
      const unmark = new LockRow(db, {}).mark(db);
      await latest(look);
      expect(during).to.deep.equal([2]);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      unmark();
      await db.migrate.rollback(sourceOf({ one: look }));
      await latest(look);
      expect(during).to.deep.equal([1]);
    });

    it('is marked in a transaction that is about all migrations', async () => {
      new LockRow(db, {}).mark(db);
      let inside: unknown;
      await latest({
        up: async (trx) => {
          inside = await trx('knex_migrations_lock').select('is_locked');
        },
      });
      expect(inside).to.deep.equal([{ is_locked: 2 }]);
    });

    it('is marked in a schema of its own, with identifiers of the user’s naming', async () => {
      await stage.database.query('create schema own');
      const migrations = { schemaName: 'own', tableName: 'history' };
      const wrapIdentifier: Knex.Config['wrapIdentifier'] = (value, original) => original(value.toUpperCase());
      await db.destroy();
      const { connection } = stage.database;
      db = (require(build) as typeof knex)({ client: 'pg', connection, migrations, wrapIdentifier, pool: { min: 0 } });
      new LockRow(db, {}).mark(db);
      const up = async () => void (during = await lockRow(stage.database, 'own.history'));
      await latest({ up, config: { transaction: false } });
      expect(during).to.deep.equal([2]);
    });

    it('is locked for a plain runner, and is freed by migrate:unlock', async () => {
      await latest(look);
      await stage.database.query('update knex_migrations_lock set is_locked = 2');
      const log = { warn: () => {} };
      const plain = (require(build) as typeof knex)({ client: 'pg', connection: stage.database.connection, log });
      try {
        const refused = await plain.migrate
          .latest(sourceOf({ one: look, two: look }))
          .catch((error: Error) => error.name);
        expect(refused).to.equal('MigrationLocked');
        await plain.migrate.forceFreeMigrationsLock();
      } finally {
        await plain.destroy();
      }
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('is marked only by Knex’s own statement', async () => {
      await stage.database.query('create table t_lock (is_locked int); insert into t_lock values (0)');
      new LockRow(db, {}).mark(db);
      await db('t_lock').where('is_locked', '=', 0).update({ is_locked: 1 });
      expect(await lockRow(stage.database, 't')).to.deep.equal([1]);
    });
  });
}
