const knex = require('knex');
const { resettable } = require('knex-reset');

exports.db = resettable(
  knex({ client: 'pg', connection: process.env.APP_DATABASE_URL, pool: { min: 0, max: 3 }, log: { warn() {} } }),
);
