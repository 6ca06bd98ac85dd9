// Which SQLSTATEs cost a connection, raised by a real server on a sound one: those of the contract, and no others.
import { expect } from 'chai';
import { isFatal, isRetryable } from '../../lib';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { idle, pidOf, raise } from './stage';

/** The classes and codes of the contract, with their members in PostgreSQL's own list, and one that is in no list. */
const FATAL = {
  'class 08': ['08000', '08001', '08003', '08004', '08006', '08007', '08P01', '08999'],
  '57P01 to 57P05': ['57P01', '57P02', '57P03', '57P04', '57P05'],
  '25P03 and 25P04': ['25P03', '25P04'],
  'class 58': ['58000', '58030', '58P01', '58P02', '58P03'],
  'class F0': ['F0000', 'F0001'],
  'class XX': ['XX000', 'XX001', 'XX002'],
};

const NOT_FATAL = {
  'a statement that was cancelled, a lock that was not to be had': ['57014', '55P03', '55006'],
  'a transaction to be run again': ['40001', '40P01', '40003'],
  'a failed or ended transaction': ['25P01', '25P02', '25001', '25006'],
  'a plan that is out of date': ['0A000'],
  'a violated constraint': ['23000', '23502', '23503', '23505', '23514', '23P01'],
  'a mistake in the statement': ['42P01', '42601', '42501', '22012', '22P02'],
  'a want of resources': ['53000', '53100', '53200', '54001'],
  'other ends of class 57': ['57000', '57P06'],
  'an error of the user’s own': ['P0001', 'AB123'],
};

describe('a statement that fails', () => {
  const stage = useStage();
  let db: ResettableKnex;
  let pids: number[];

  beforeEach(async () => {
    db = stage.resettable();
    pids = await idle(db, 2);
  });

  for (const [what, codes] of Object.entries(FATAL)) {
    it(`with ${what} closes its connection and the idle ones`, async () => {
      for (const code of codes) {
        const error = await failure(db.raw(raise(code)));
        expect(error).to.include({ code });
        expect(isFatal(error), code).to.be.true;
        const pid = await pidOf(db);
        expect(pids, code).not.to.include(pid);
        pids.push(pid);
      }
    });
  }

  for (const [what, codes] of Object.entries(NOT_FATAL)) {
    it(`with ${what} closes no connection`, async () => {
      for (const code of codes) {
        const error = await failure(db.raw(raise(code)));
        expect(error).to.include({ code });
        expect(isFatal(error), code).to.be.false;
        await until('it is idle again', () => db.connectionState().connections.idle === 2);
      }
      expect((await stage.database.backends()).map(({ pid }) => pid)).to.have.members(pids);
    });
  }

  it('is tried again with 40001 and 40P01 only', async () => {
    const codes = [...Object.values(FATAL), ...Object.values(NOT_FATAL)].flat();
    const retryable: string[] = [];
    for (const code of codes) if (isRetryable(await failure(db.raw(raise(code))))) retryable.push(code);
    expect(retryable).to.deep.equal(['40001', '40P01']);
  });

  it('with a fatal SQLSTATE in a transaction closes that connection', async () => {
    await failure(db.transaction((trx) => trx.raw(raise('XX000'))));
    expect(pids).not.to.include(await pidOf(db));
  });

  it('with another SQLSTATE in a transaction closes no connection', async () => {
    await failure(db.transaction((trx) => trx.raw(raise('40001'))));
    await until('it is idle again', () => db.connectionState().connections.idle === 2);
    expect(pids).to.include(await pidOf(db));
  });
});
