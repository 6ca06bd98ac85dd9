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
