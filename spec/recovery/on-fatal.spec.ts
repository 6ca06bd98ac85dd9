// What `onFatal` means for the connection that had the error, for the other idle ones, for busy ones, for open transactions.
import { expect } from 'chai';
import { ResetError, type ResettableOptions } from '../../lib';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { gone, idle, kill, pidOf, raise, sleeping } from './stage';

describe('onFatal', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));
  beforeEach(() => stage.database.query('truncate t'));

  let db: ResettableKnex;
  let idlePids: number[];

  /** Three idle connections, the last of which is the next to be lent. */
  async function make(options: ResettableOptions): Promise<void> {
    db = stage.resettable({}, options);
    idlePids = await idle(db, 3);
  }

  async function backends(): Promise<number[]> {
    return (await stage.database.backends()).map(({ pid }) => pid);
  }

  for (const onFatal of ['discard', 'evict', 'reset'] as const) {
    describe(`'${onFatal}'`, () => {
      beforeEach(() => make({ onFatal }));

      it('closes the connection on which a statement had a fatal error', async () => {
        expect(await failure(db.raw(raise('58030')))).to.include({ code: '58030' });
        await gone(stage, [idlePids[2]!]);
        expect(await pidOf(db)).not.to.equal(idlePids[2]);
      });

      it('closes nothing for an ordinary error', async () => {
        expect(await failure(db.raw('select 1/0'))).to.include({ code: '22012' });
        await failure(db.atomic((trx) => trx.raw('select 1/0')));
        await until('all are idle again', () => db.connectionState().connections.idle === 3);
        expect(await backends()).to.have.members(idlePids);
      });

      it('rejects a transaction with what ended its connection', async () => {
        const trx = await db.transaction();
        await kill(stage, [await pidOf(trx)]);
        const error = await failure(trx.executionPromise);
        expect([error.code, (error.cause as { code?: string } | undefined)?.code]).to.include('57P01');
      });

      it('rejects a block with what ended its connection', async () => {
        const block = failure(db.atomic((trx) => trx.raw('select pg_sleep(30)')));
        const [pid] = await stage.running('pg_sleep');
        await kill(stage, [pid!]);
        expect(await block).to.include({ code: '57P01' });
      });
    });
  }

  describe("'discard'", () => {
    beforeEach(() => make({ onFatal: 'discard' }));

    it('leaves the other idle connections alone', async () => {
      await failure(db.raw(raise('58030')));
      await gone(stage, [idlePids[2]!]);
      expect(await pidOf(db)).to.equal(idlePids[1]);
      expect(db.connectionState().connections.idle).to.equal(2);
    });

    it('leaves busy ones alone', async () => {
      const other = await db.transaction();
      const pid = await pidOf(other);
      await failure(db.raw(raise('58030')));
      await other.commit();
      expect(await pidOf(db)).to.equal(pid);
    });
  });

  describe("'evict'", () => {
    beforeEach(() => make({}));

    it('is the default: closes every idle connection', async () => {
      await failure(db.raw(raise('58030')));
      expect(db.connectionState().connections.idle).to.equal(0);
      await gone(stage, idlePids);
    });

    it('closes them when an idle connection dies as well', async () => {
      await kill(stage, [idlePids[0]!]);
      await gone(stage, idlePids);
    });

    it('closes a busy one when it comes back', async () => {
      const trx = await db.transaction();
      const pid = await pidOf(trx);
      await failure(db.raw(raise('58030')));
      await gone(
        stage,
        idlePids.filter((each) => each !== pid),
      );
      expect(await backends()).to.deep.equal([pid]);
      await trx.commit();
      await gone(stage, [pid]);
    });

    it('makes a recycling reset close a busy one', async () => {
      const trx = await db.transaction();
      trx.executionPromise.catch(() => {});
      const pid = await pidOf(trx);
      await failure(db.raw(raise('58030')));
      await until('it is the last one', async () => (await backends()).every((each) => each === pid));
      const report = await db.resetConnection({ connections: 'recycle' });
      expect(report).to.include({ recycledConnections: 0, forcedConnections: 0 });
      expect(await backends()).to.be.empty;
    });

    it('lets a busy one finish: its transaction commits', async () => {
      const trx = await db.transaction();
      await failure(db.raw(raise('58030')));
      await trx('t').insert({ id: 1 });
      await trx.commit();
      expect(await stage.database.query('select id from t')).to.deep.equal([{ id: 1 }]);
    });

    it('keeps connections that were opened after the error', async () => {
      const earlier = await db.transaction();
      await failure(db.raw(raise('58030')));
      const pid = await pidOf(db);
      await kill(stage, [await pidOf(earlier)]);
      await failure(earlier.executionPromise);
      expect(await pidOf(db)).to.equal(pid);
    });

    it('does not lend a connection whose opening began before the error', async () => {
      let finish = () => {};
      const opened: number[] = [];
      const afterCreate = (connection: { processID: number }, done: (error: null, connection: object) => void) => {
        finish = () => done(null, connection);
        if (opened.push(connection.processID) !== 2) finish();
      };
      db = stage.resettable({ pool: { afterCreate } });
      const trx = await db.transaction();
      const asked = pidOf(db);
      await until('the second is being opened', () => opened.length === 2);
      await failure(trx.raw(raise('58030')));
      finish();
      expect(opened.indexOf(await asked)).to.equal(2);
      await trx.rollback();
    });

    it('is no reset: the generation stays', async () => {
      await failure(db.raw(raise('58030')));
      expect(db.connectionState().generation).to.equal(0);
    });
  });

  describe("'reset'", () => {
    beforeEach(() => make({ onFatal: 'reset' }));

    it('aborts open transactions, with the reason', async () => {
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      await failure(db.raw(raise('58030')));
      const error = await failure(trx.executionPromise);
      expect(error).to.be.an.instanceof(ResetError).with.property('reason').that.includes('58030');
      expect(await stage.database.query('select id from t')).to.be.empty;
    });

    it('aborts busy connections, and closes them and the idle ones', async () => {
      const { error, pid } = await sleeping(stage, db);
      await failure(db.raw(raise('58030')));
      expect(await error).to.be.an.instanceof(ResetError);
      await gone(stage, [...idlePids, pid]);
    });

    it('rejects queries that wait for a connection', async () => {
      db = stage.resettable({ pool: { max: 1 } }, { onFatal: 'reset' });
      const trx = await db.transaction();
      const waiting = failure(db.raw('select 1'));
      await failure(trx.raw(raise('58030')));
      expect(await waiting).to.be.an.instanceof(ResetError);
      await failure(trx.executionPromise);
    });

    it('is one reset for all connections that died together', async () => {
      await kill(stage, idlePids);
      await until('a reset began', () => db.connectionState().generation > 0);
      await until('it is over', () => !db.connectionState().resetting);
      expect(await pidOf(db)).not.to.be.oneOf(idlePids);
      expect(db.connectionState().generation).to.equal(1);
    });

    it('serves the next query, without a call by the user', async () => {
      await failure(db.raw(raise('58030')));
      expect(await pidOf(db)).not.to.be.oneOf(idlePids);
      expect(db.connectionState()).to.include({ generation: 1, resetting: false });
    });

    it('rejects the query that met the error with that error', async () => {
      const { error, pid } = await sleeping(stage, db);
      await kill(stage, [pid]);
      expect(await error).to.include({ code: '57P01' });
    });
  });
});
