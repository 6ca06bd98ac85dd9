// Shows that a test database is seen from outside as it is.
import { expect } from 'chai';
import { Client } from 'pg';
import { freshDatabase, type TestDatabase } from './database';

describe('freshDatabase()', () => {
  let database: TestDatabase;
  let client: Client;

  before(async () => {
    database = await freshDatabase();
    client = new Client({ ...database.connection, application_name: 'the one' });
    client.on('error', () => {}); // it is terminated below
    await client.connect();
  });
  after(() => database.drop());

  it('shows the backends of the database and none of its own', async () => {
    await client.query('select 1');
    const [backend, ...others] = await database.backends();
    expect(others).to.be.empty;
    expect(backend).to.include({ state: 'idle', query: 'select 1', application_name: 'the one' });
  });

  it('shows the locks that they hold', async () => {
    await client.query('create table held (id int)');
    await client.query('begin; lock table held');
    expect((await database.locks()).map(({ mode, granted }) => ({ mode, granted }))).to.deep.include({
      mode: 'AccessExclusiveLock',
      granted: true,
    });
    await client.query('rollback');
    expect(await database.locks()).to.be.empty;
  });

  it('runs a query inside the database and leaves no connection', async () => {
    expect(await database.query('select current_database() as name, $1::int as n', [7])).to.deep.equal([
      { name: database.name, n: 7 },
    ]);
    expect(await database.backends()).to.have.lengthOf(1);
  });

  it('is owned by an ordinary role, which has no right but on it', async () => {
    const [role] = await database.query(
      'select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = current_user',
    );
    expect(Object.values(role ?? {})).to.deep.equal([false, false, false, false, false]);
    expect(await database.query("select pg_has_role('pg_read_all_stats', 'member') as it")).to.deep.equal([
      { it: false },
    ]);
    const other = await freshDatabase();
    const error = await new Client({ ...database.connection, database: other.name })
      .connect()
      .catch((reason: unknown) => reason);
    expect(error).to.include({ code: '42501' });
    await other.drop();
  });

  it('is owned by a role that may create databases, where one is asked for', async () => {
    const creating = await freshDatabase(undefined, { createsDatabases: true });
    await creating.query(`create database ${creating.name}_2`);
    await creating.query(`drop database ${creating.name}_2`);
    await creating.drop();
  });

  it('terminates a backend', async () => {
    const [backend] = await database.backends();
    expect(await database.terminate(backend!.pid)).to.be.true;
    expect(await database.backends()).to.be.empty;
  });

  it('drops a database that is in use', async () => {
    const doomed = await freshDatabase();
    const user = new Client(doomed.connection);
    user.on('error', () => {});
    await user.connect();
    await doomed.drop();
    const [row] = await database.query('select count(*)::int as n from pg_database where datname = $1', [doomed.name]);
    expect(row).to.deep.equal({ n: 0 });
  });
});
