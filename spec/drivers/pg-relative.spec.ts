// Dialects whose servers speak PostgreSQL's protocol without being PostgreSQL; it stands in for them here.
import { expect } from 'chai';
import { failure, millisOf, outcome } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

for (const client of ['cockroachdb', 'redshift']) {
  describe(`the ${client} client`, () => {
    const stage = useStage();
    let db: ResettableKnex;
    before(() => stage.database.query('create table t (id int primary key)'));
    beforeEach(async () => {
      await stage.database.query('truncate t');
      db = stage.resettable({ client }, { timeoutMillis: 900 });
    });

    const ids = () => stage.database.query('select id from t order by id');

    for (const kind of ['atomic', 'transaction'] as const) {
      it(`rejects a commit that the server turned into a rollback (${kind})`, async () => {
        const lost = db[kind](async (trx) => {
          await trx.raw('insert into t values (1)');
          await trx.raw('select 1/0').catch(() => {});
          return 'value';
        });
        expect(await failure(lost)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
        expect(await db[kind]((trx) => trx.raw('insert into t values (2)').then(() => 'value'))).to.equal('value');
        expect(await ids()).to.deep.equal([{ id: 2 }]);
      });
    }

    it('stops running queries on the server at a reset', async () => {
      const query = outcome(db.raw('select pg_sleep(10)'));
      const block = outcome(db.atomic((trx) => trx.raw('select pg_sleep(10)')));
      await stage.running('pg_sleep', 2);
      const reset = db.resetConnection();
      expect(await millisOf(reset)).to.be.lessThan(900);
      expect(await reset).to.include({ abortedQueries: 1, closedConnections: 2, forcedConnections: 0 });
      expect((await stage.leftOnServer()).backends).to.deep.equal([]);
      expect((await query).error).to.include({ code: 'ERR_RESET' });
      expect((await block).error).to.include({ code: 'ERR_RESET' });
    });

    it('stops the query of a block that ran out of time, and keeps its connection', async () => {
      const late = db.atomic((trx) => trx.raw('select pg_sleep(10)'), { timeoutMillis: 250 });
      expect(await failure(late)).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
      expect(db.connectionState().connections).to.include({ inUse: 0, idle: 1 });
      expect((await stage.leftOnServer()).locks).to.deep.equal([]);
    });

    it('reports the death of a connection as the server’s FATAL', async () => {
      const killed = db.atomic(async (trx) => {
        const { rows } = await trx.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
        // While it waits for an answer: a write to a Unix socket whose server has gone fails with EPIPE before the FATAL is read.
        const running = outcome(trx.raw('select pg_sleep(10)'));
        await stage.running('pg_sleep', 1);
        await stage.database.terminate(rows[0].pid);
        const { error } = await running;
        throw error;
      });
      expect(await failure(killed)).to.include({ code: '57P01' });
      await db.raw('select 1');
    });

    it('recycles its connections', async () => {
      await db.raw('select 1');
      expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 1 });
      await db.raw('select 1');
    });

    it('refuses features of PostgreSQL alone', async () => {
      const error = await failure(db.atomic(() => {}, { verifyCommit: true }));
      expect(error).to.be.instanceOf(TypeError).with.property('message').which.includes('PostgreSQL');
    });
  });
}
