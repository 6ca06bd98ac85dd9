// The migration lock through PgBouncer: refused where it lends connections by the transaction, and only there.
import { expect } from 'chai';
import { MigrationLockError } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { failure } from '../support/outcome';
import { PgBouncer, whyNoPgBouncer } from '../support/pgbouncer';
import { useStage } from '../support/stage';
import { describeUnless } from '../support/unless';

const reason = whyNoPgBouncer();

const MODES: Record<string, string>[] = [
  { pool_mode: 'transaction' },
  { pool_mode: 'transaction', server_round_robin: '1' },
  { pool_mode: 'statement' },
];

describeUnless(reason, 'withMigrationLock() through PgBouncer', () => {
  const stage = useStage();
  let bouncer: PgBouncer | undefined;

  afterEach(async () => {
    await stage.clear();
    await bouncer?.dispose();
  });

  for (const settings of MODES) {
    it(`is refused with ${JSON.stringify(settings)}, and leaves no lock`, async () => {
      bouncer = await PgBouncer.before(stage.database, settings);
      const db = stage.resettable({ connection: bouncer.through(stage.database.connection) });
      let isCalled = false;
      const error = await failure(withMigrationLock(db, () => (isCalled = true)));
      expect(error).to.be.instanceOf(MigrationLockError).and.have.property('message').that.includes('pooler');
      expect(isCalled).to.equal(false);
      expect((await stage.database.locks()).filter(({ locktype }) => locktype === 'advisory')).to.be.empty;
    });
  }

  it('is refused again and again while other clients use the pooler', async () => {
    bouncer = await PgBouncer.before(stage.database, { pool_mode: 'transaction', default_pool_size: '2' });
    const connection = bouncer.through(stage.database.connection);
    const [db, app] = [stage.resettable({ connection }), stage.knex({ connection })];
    let isOver = false;
    const traffic = async () => {
      while (!isOver) await app.raw('select 1');
    };
    const clients = [traffic(), traffic()];
    const outcomes: string[] = [];
    for (let i = 0; i < 15; i++) {
      outcomes.push(await withMigrationLock(db, () => 'let through').catch((error: Error) => error.message));
    }
    isOver = true;
    await Promise.all(clients);
    expect(outcomes.filter((outcome) => !outcome.includes('pooler'))).to.be.empty;
    expect((await stage.database.locks()).filter(({ locktype }) => locktype === 'advisory')).to.be.empty;
  });

  for (const size of ['1', '5']) {
    it(`works with pool_mode = session and ${size} connections`, async () => {
      bouncer = await PgBouncer.before(stage.database, { pool_mode: 'session', default_pool_size: size });
      const db = stage.resettable({ connection: bouncer.through(stage.database.connection) });
      expect(await withMigrationLock(db, () => 'done')).to.equal('done');
    });
  }
});
