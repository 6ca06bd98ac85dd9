// The same lock on MariaDB, by GET_LOCK.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { MigrationLockError, type Resettable, resettable } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { MariadbServer, whyNoMariadb } from '../support/mariadb-server';
import { failure, never } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { sourceOf } from './source';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();
/** An ordinary user, who has a right on this database alone; root only looks on. */
const ACCOUNT = { user: 'app', password: 'secret', database: 'app' };

describeUnless(reason, 'withMigrationLock() on MariaDB', () => {
  let server: MariadbServer | undefined;
  let observer: Knex;
  let instances: Knex[] = [];

  before(async () => {
    server = await MariadbServer.create();
    observer = makeKnex({ ...server.root }, { client: 'mysql2' });
    await observer.raw("create user app@'%' identified by 'secret'");
    await observer.raw("grant all on app.* to app@'%'");
  });
  beforeEach(() => observer.raw('create database app'));
  afterEach(async () => {
    await Promise.all(instances.map((db) => db.destroy()));
    instances = [];
    await observer.raw('drop database app');
  });
  after(async () => {
    await observer?.destroy();
    await server?.dispose();
  });

  const open = (settings: object = {}): Knex & Resettable => {
    const db = resettable(makeKnex({ ...server?.root, ...ACCOUNT, ...settings }, { client: 'mysql2' }));
    instances.push(db);
    return db;
  };
  const connections = async (): Promise<number[]> =>
    (await observer('information_schema.processlist').where({ db: 'app' }).select('id')).map(({ id }) => Number(id));
  const lockRow = () => observer('app.knex_migrations_lock').pluck('is_locked');
  const one = { up: (knex: Knex) => knex.schema.createTable('t', (table) => void table.increments()) };

  it('lets one runner work at a time, marks its row, and leaves nothing', async () => {
    const [first, second] = [open(), open()];
    let during: number[] = [];
    const look = { up: async () => void (during = await lockRow()), config: { transaction: false } };
    const migrate = (db: Knex) => () => db.migrate.latest(sourceOf({ one, look }));
    const runs = await Promise.all([
      withMigrationLock(first, migrate(first)),
      withMigrationLock(second, migrate(second)),
    ]);
    expect(runs.map(([, names]) => names.length).sort((a, b) => a - b)).to.deep.equal([0, 2]);
    expect(during).to.deep.equal([2]);
    expect(await lockRow()).to.deep.equal([0]);
    await until('nobody is connected', async () => (await connections()).length === 0);
  });

  for (const settings of [{ rowsAsArray: true }, { nestTables: true }, { typeCast: () => false }]) {
    it(`reads its own rows with ${Object.keys(settings)[0]}`, async () => {
      expect(await withMigrationLock(open(settings), () => 'done')).to.equal('done');
    });
  }

  it('does not wait for its own sandbox', async () => {
    const db = open();
    await db.migrate.latest(sourceOf({}));
    const rename = { up: (knex: Knex) => knex.raw('select 1') };
    await db.sandbox(() => withMigrationLock(db, () => db.migrate.latest(sourceOf({ rename }))));
    expect(await lockRow()).to.deep.equal([0]);
  });

  it('frees the row of a dead guarded runner, and not that of a plain one', async () => {
    const db = open();
    await db.migrate.latest(sourceOf({}));
    await db('knex_migrations_lock').update({ is_locked: 2 });
    await withMigrationLock(db, () => db.migrate.latest(sourceOf({ one })), { waitMillis: 0 });
    await db('knex_migrations_lock').update({ is_locked: 1 });
    expect(await failure(withMigrationLock(db, never, { waitMillis: 0 }))).to.be.an.instanceof(MigrationLockError);
    expect(await lockRow()).to.deep.equal([1]);
  });

  it('says which session has the lock, and notices when it is lost', async () => {
    const [holder, db] = [open(), open()];
    let id: number | undefined;
    const guarded = failure(
      withMigrationLock(holder, async () => {
        [id] = await connections();
        await never();
      }),
    );
    await until('it has the lock', () => id);
    const refused = await failure(withMigrationLock(db, () => 1, { waitMillis: 0 }));
    expect(refused.message).to.include(`connection ${id} (user app`);
    await observer.raw(`kill ${id}`);
    expect(await guarded).to.be.an.instanceof(MigrationLockError);
    await withMigrationLock(db, () => 1, { waitMillis: 1000 });
  });
});
