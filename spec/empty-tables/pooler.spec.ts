// emptyTables() through PgBouncer in transaction mode, where each statement may go to another backend.
import { expect } from 'chai';
import { emptyTables } from '../../lib/testing';
import { PgBouncer, whyNoPgBouncer } from '../support/pgbouncer';
import { useStage } from '../support/stage';
import { describeUnless } from '../support/unless';

const reason = whyNoPgBouncer();

describeUnless(reason, 'emptyTables() through PgBouncer', () => {
  const stage = useStage();
  let bouncer: PgBouncer | undefined;

  afterEach(async () => {
    await stage.clear();
    await bouncer?.dispose();
  });

  for (const settings of [{ default_pool_size: '1' }, { default_pool_size: '3', server_round_robin: '1' }]) {
    it(`works with ${JSON.stringify(settings)}, whoever has prepared its statement on a backend`, async () => {
      bouncer = await PgBouncer.before(stage.database, settings as never);
      await stage.database.query('create table if not exists a (id serial)');
      const connection = bouncer.through(stage.database.connection);
      const [one, other] = [stage.resettable({ connection }), stage.resettable({ connection })];
      for (let round = 0; round < 4; round++) {
        for (const db of [one, other]) {
          await stage.database.query('insert into a default values');
          expect(await emptyTables(db)).to.deep.equal(['a']);
          expect(await emptyTables(db)).to.deep.equal([]);
        }
      }
    });
  }
});
