// A connection function that fails: whoever asked hears its error as it is, and the instance works once the function does.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure, never, nextTurn, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { failures, idle, kill, pidOf } from './stage';

type Settings = Knex.PgConnectionConfig;

describe('a connection function that fails', () => {
  const stage = useStage();
  const thrown = new Error('no credentials today');
  let provide: () => Settings | Promise<Settings>;
  let db: ResettableKnex;

  const works = (): Settings => ({ ...stage.database.connection }) as Settings;
  const faults: Record<string, typeof provide> = {
    'by throwing': () => {
      throw thrown;
    },
    'by rejecting': () => Promise.reject(thrown),
  };

  function make(pool: Knex.PoolConfig = {}): ResettableKnex {
    return stage.resettable({ connection: (() => provide()) as () => Settings, pool }, { timeoutMillis: 500 });
  }

  beforeEach(() => {
    provide = works;
    db = make();
  });

  for (const [how, fault] of Object.entries(faults)) {
    describe(how, () => {
      it('rejects a query with that error', async () => {
        provide = fault;
        expect(await failure(db.raw('select 1'))).to.equal(thrown);
      });

      it('rejects transactions with that error, without calling their callbacks', async () => {
        provide = fault;
        let calls = 0;
        expect(await failure(db.transaction(async () => void calls++))).to.equal(thrown);
        expect(await failure(db.atomic(() => void calls++))).to.equal(thrown);
        expect(await failure(db.transaction())).to.equal(thrown);
        expect(calls).to.equal(0);
      });

      it('is called again when it fails at first', async () => {
        provide = fault;
        await failures(db, 3);
        provide = works;
        expect(await failures(db, 3)).to.be.empty;
      });

      it('is called again when it fails after an eviction', async () => {
        await kill(stage, await idle(db, 2));
        await until('the deaths were heard of', () => db.connectionState().connections.idle === 0);
        provide = fault;
        for (const error of await failures(db, 3)) expect(error).to.equal(thrown);
        provide = works;
        expect(await failures(db, 3)).to.be.empty;
      });

      it('is called again when it fails after a reset', async () => {
        await idle(db, 2);
        await db.resetConnection();
        provide = fault;
        expect(await failures(db, 3)).to.deep.equal([thrown, thrown, thrown]);
        provide = works;
        expect(await failures(db, 3)).to.be.empty;
      });

      it('does not affect open connections', async () => {
        const proxy = await stage.proxy();
        provide = () => proxy.through(stage.database.connection) as Settings;
        const trx = await db.transaction();
        const pid = await pidOf(trx);
        proxy.mode = 'reject';
        expect(await failure(db.raw('select 1'))).to.include({ code: 'ECONNRESET' });
        provide = fault;
        expect(await failure(db.raw('select 1'))).to.equal(thrown);
        await trx.commit();
        expect(await pidOf(db)).to.equal(pid);
      });

      it('leaves nothing in use, waiting or being opened', async () => {
        db = make({ createRetryIntervalMillis: 10 });
        provide = fault;
        await Promise.all(Array.from({ length: 20 }, () => failure(db.raw('select 1'))));
        expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
      });
    });
  }

  describe('by never settling', () => {
    it('rejects a query at its acquire timeout', async () => {
      db = make({ acquireTimeoutMillis: 400, createTimeoutMillis: 300 });
      provide = never;
      const error = await failure(db.raw('select 1'));
      expect(error.name).to.be.oneOf(['TimeoutError', 'KnexTimeoutError']);
      provide = works;
      expect(await failures(db, 3)).to.be.empty;
    });

    it('leaves no timer behind after a reset', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      await nextTurn(); // mocha's own is running
      const before = timers();
      provide = never;
      const query = failure(db.raw('select 1'));
      await until('it was asked', () => db.client.pool.numPendingCreates() === 1);
      expect(timers()).to.be.above(before);
      await db.resetConnection();
      await query;
      await until('none is left', () => timers() <= before);
    });

    it('does not delay a reset, after which it is called again', async () => {
      provide = never;
      const query = watch(db.raw('select 1'));
      await until('it was asked', () => db.client.pool.numPendingCreates() === 1);
      const report = await db.resetConnection();
      expect(report.durationMillis).to.be.below(750);
      expect(query.error).to.be.an.instanceof(ResetError);
      provide = works;
      expect(await failures(db, 3)).to.be.empty;
    });
  });
});
