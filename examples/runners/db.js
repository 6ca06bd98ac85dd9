// The instance that the tests share.
const knex = require('knex');
const { resettable } = require('knex-reset');

exports.db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0, max: 5 } }));
