// Root hooks that find the instance of each run.
const { resetHooks } = require('knex-reset/mocha');

exports.mochaHooks = resetHooks(() => require('./db').db, { isolation: 'sandbox' });
