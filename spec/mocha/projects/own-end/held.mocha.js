// What a suite of mocha's holds in its hooks, from before each test to after it.
const { resetHooks } = require('knex-reset/testing');
const { db } = require('./db');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

describe('a connection', () => {
  let connection;
  beforeEach(async () => {
    connection = await db.outside(() => db.client.acquireConnection());
  });
  afterEach(() => db.client.releaseConnection(connection));

  it('is held', () => db.raw('select 1'));
  it('is held, and another one leaks', () => db.outside(() => db.client.acquireConnection()));
  it('is held, and has a query that goes on', () => {
    db.outside(() => db.raw('select pg_sleep(30)').connection(connection)).catch(() => {});
  });
});
