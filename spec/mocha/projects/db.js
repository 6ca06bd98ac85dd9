// The instance of each project: it is copied into its folder for a run.
const knex = require('knex');
const { resettable } = require('knex-reset');

const worker = process.env.MOCHA_WORKER_ID;

exports.db = resettable(
  knex({
    client: 'pg',
    connection: process.env.APP_DATABASE_URL,
    searchPath: worker === undefined ? 'public' : `worker_${worker}`,
    pool: { min: 0, max: 3 },
    log: { warn() {} },
  }),
);
