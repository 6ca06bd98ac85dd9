// The root hook file: `mocha --require ./hooks.js`.
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

exports.mochaHooks = resetHooks(db, JSON.parse(process.env.HOOKS ?? '{}'));
