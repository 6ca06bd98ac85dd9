// A CancelRequest travels on its own: one that comes too late must not hit whoever has the connection next.
import { expect } from 'chai';
import { FaultProxy } from '../support/fault-proxy';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { later, useStage } from './stage';

describe('a COMMIT that is answered before its cancel request arrives', () => {
  const stage = useStage();
  /** The way of the cancel requests. */
  let detour: FaultProxy;

  before(async () => {
    await stage.database.query(`
      create function wait() returns trigger language plpgsql as
        'begin perform pg_advisory_xact_lock(1); return null; end';
      create constraint trigger waits after insert on t initially deferred for each row execute function wait();`);
  });
  beforeEach(async () => {
    detour = await FaultProxy.to(stage.database.connection);
  });
  afterEach(() => detour.close());

  it('is a success, and the query of the next borrower is not cancelled', async () => {
    const db = stage.make(
      {},
      {
        pool: {
          max: 1,
          afterCreate(connection: { port: number }, done: () => void) {
            connection.port = detour.port; // where pg's Client says that its server is
            done();
          },
        },
      },
    );
    const other = makeKnex(stage.database.connection);
    const lock = await other.transaction();
    await lock.raw('select pg_advisory_xact_lock(1)');
    const controller = new AbortController();
    const promise = later(
      db.atomic((trx) => trx.raw('insert into t values (1)').then(() => 'value'), { signal: controller.signal }),
    );
    await stage.running(/^COMMIT/);
    const next = later(db.raw('select pg_sleep(0.2), 1 as one'));
    detour.freeze();
    controller.abort(new Error('too late'));
    await until('the cancel request is on its way', () => detour.accepted === 1);
    await lock.rollback();
    await other.destroy();
    await until('it is committed', async () => (await stage.ids()).length === 1);
    // It may be lent only when no cancel request can hit it any more: then nothing runs yet.
    await until(
      'the next query runs',
      async () =>
        (await stage.database.backends()).some(({ state, query }) => state === 'active' && /pg_sleep/.test(query)),
      { timeoutMillis: 150 },
    ).catch(() => {});
    detour.thaw();
    expect(await promise).to.equal('value');
    expect((await next).rows[0]).to.include({ one: 1 });
  });
});
