// What becomes of a pool that nobody uses at the moment, and what comes after.
import { expect } from 'chai';
import { NOTHING, useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';

describe('resetConnection()', () => {
  const stage = useStage();

  describe('while connections are idle', () => {
    it('has ended every backend when it resolves', async () => {
      const db = stage.resettable();
      await Promise.all([1, 2, 3].map(() => db.raw('select pg_sleep(0.05)')));
      expect(await stage.database.backends()).to.have.lengthOf(3);
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report).to.include({ closedConnections: 3, forcedConnections: 0, recycledConnections: 0, generation: 1 });
    });

    it('opens one connection for the next query, and none before', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      await Promise.all([1, 2, 3].map(() => db.raw('select pg_sleep(0.05)')));
      expect(proxy.accepted).to.equal(3);
      await db.resetConnection();
      expect(proxy.accepted).to.equal(3);
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      expect(proxy.accepted).to.equal(4);
      expect(await stage.database.backends()).to.have.lengthOf(1);
    });

    it('sends a goodbye, and nothing else', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      await db.raw('select 1');
      const transcript = new WireTranscript(proxy);
      await db.resetConnection();
      expect(transcript.links).to.deep.equal([{ sql: [], terminated: true }]);
      expect(transcript.cancelled).to.be.empty;
    });

    it('resolves as soon as the server has closed them', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const { durationMillis } = await db.resetConnection({ graceMillis: 4000, timeoutMillis: 4000 });
      expect(durationMillis).to.be.within(0, 1000);
    });

    it('gives the next query a session without the state of the last one', async () => {
      const db = stage.resettable({ pool: { max: 1 } });
      await db.raw("set application_name = 'left behind'");
      await db.raw('create temp table left_behind (id int)');
      await db.raw('select pg_advisory_lock(17)');
      await db.resetConnection();
      expect((await db.raw('show application_name')).rows).to.deep.equal([{ application_name: '' }]);
      expect((await db.raw("select to_regclass('left_behind') as found")).rows).to.deep.equal([{ found: null }]);
      expect(await stage.database.locks()).to.be.empty;
    });
  });

  describe('where connections died before', () => {
    it('does not close them again, and the instance works', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const [backend] = await stage.database.backends();
      await stage.database.terminate(backend!.pid);
      const report = await db.resetConnection();
      expect(report.forcedConnections).to.equal(0);
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  });
});
