// Root hooks that keep the instance of the first run.
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

exports.mochaHooks = resetHooks(db, { isolation: 'sandbox' });
