const { resetHooks } = require('knex-reset/testing');
const { db } = require('./db.js');

const hooks = resetHooks(db, { isolation: 'sandbox' });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);
