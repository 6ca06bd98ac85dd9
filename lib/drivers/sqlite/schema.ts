// Knex rebuilds a table by dropping it. Inside a transaction, foreign keys cannot be switched off for that, but their checks can be deferred.

export const SCHEMA_CHANGE = {
  before: 'PRAGMA defer_foreign_keys = ON',
  after: 'PRAGMA defer_foreign_keys = OFF',
};
