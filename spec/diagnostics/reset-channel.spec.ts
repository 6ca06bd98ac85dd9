// That subscribers of `knex-reset:reset` get the report of each reset.
import { expect } from 'chai';
import type { ResetReport } from '../../lib';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { catching, throwingIn, useMessages } from './stage';

const CHANNEL = 'knex-reset:reset';

describe('the channel of resets', () => {
  const stage = useStage();
  const reports = useMessages<ResetReport>(CHANNEL);

  it('gets the report of each reset', async () => {
    const db = stage.resettable();
    const query = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const returned = [await db.resetConnection({ reason: 'first' }), await db.resetConnection()];
    await query;
    expect(reports).to.deep.equal(returned);
    expect(reports[0]).to.include({ reason: 'first', generation: 1, abortedQueries: 1, closedConnections: 1 });
    expect(reports[1]).to.include({ reason: undefined, generation: 2, closedConnections: 0 });
  });

  it('gets one report for calls that overlap', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const [report] = await Promise.all([db.resetConnection(), db.resetConnection(), db.resetConnection()]);
    expect(reports).to.deep.equal([report]);
  });

  it('gets the report when the reset has ended', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const reset = db.resetConnection();
    expect(reports).to.be.empty;
    await reset;
    expect(reports).to.have.lengthOf(1);
  });

  it('gets the reports of copies and of each instance', async () => {
    const [one, other] = [stage.resettable(), stage.resettable()];
    await (one.withUserParams({}) as ResettableKnex).resetConnection({ reason: 'by a copy' });
    await other.resetConnection({ reason: 'another' });
    expect(reports.map(({ reason, generation }) => [reason, generation])).to.deep.equal([
      ['by a copy', 1],
      ['another', 1],
    ]);
  });

  it('gets the report of a reset after a fatal error', async () => {
    const db = stage.resettable({}, { onFatal: 'reset' });
    const query = failure(db.raw('select pg_sleep(30)'));
    const [pid] = await stage.running('pg_sleep');
    await stage.database.terminate(pid!);
    await query;
    await until('it is over', () => reports.length > 0);
    expect(reports).to.have.lengthOf(1);
    expect(reports[0]).to.include({ generation: 1 });
  });

  it('gets no report for destroy()', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    await db.destroy();
    expect(reports).to.be.empty;
  });

  it('does not break the reset when a subscriber throws: node reports it as uncaught', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const mine = new Error('mine');
    const uncaught = await catching(() =>
      throwingIn(CHANNEL, mine, async () => {
        expect(await db.resetConnection()).to.include({ generation: 1, closedConnections: 1 });
        expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      }),
    );
    expect(uncaught).to.deep.equal([mine]);
    expect(reports).to.have.lengthOf(1);
  });
});
