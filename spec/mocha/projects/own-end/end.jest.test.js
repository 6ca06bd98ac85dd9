// Tests of jest that end what they have opened in hooks: of a describe, registered before ours, and registered later.
const { resetHooks } = require('knex-reset/testing');
const { db } = require('./db');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
let trx;
const end = () => trx?.rollback();
const open = async () => {
  trx = await db.transaction();
};
if (process.env.END === 'before') afterEach(end);
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);
if (process.env.END === 'after') afterEach(end);

test('opens it at the top', open);
describe('a suite', () => {
  afterEach(end);
  test('opens it', open);
});
