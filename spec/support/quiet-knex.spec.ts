// Shows that the knex of the specs works, and records instead of printing.
import { expect } from 'chai';
import { freshDatabase, type TestDatabase } from './database';
import { knexBuild, logOf, makeKnex } from './quiet-knex';

describe('makeKnex()', () => {
  let database: TestDatabase;
  before(async () => {
    database = await freshDatabase();
  });
  after(() => database.drop());

  it('makes a working knex with the pool asked for', async () => {
    const db = makeKnex(database.connection, { pool: { max: 3 } });
    try {
      expect((await db.raw('select current_database() as name')).rows).to.deep.equal([{ name: database.name }]);
      expect(db.client.config.pool).to.deep.equal({ min: 0, max: 3 });
      expect(db)
        .to.be.an.instanceof(Function)
        .with.property('name', knexBuild()({ client: 'pg' }).name);
    } finally {
      await db.destroy();
    }
  });

  it('records what knex would print', () => {
    const db = makeKnex(database.connection);
    db.client.logger.warn('look out');
    expect(logOf(db)).to.deep.equal([{ level: 'warn', message: 'look out' }]);
  });
});
