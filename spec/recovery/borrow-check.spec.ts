// The borrow check: nothing is sent within `checkIdleMillis`, one statement after it, and a dead connection is replaced unseen.
import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import type { ResettableOptions } from '../../lib';
import type { FaultProxy } from '../support/fault-proxy';
import { type ResettableKnex, useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';
import { failures, idle, kill, Links, pidOf } from './stage';

/** Below the age at which the pool closes idle connections by itself. */
const THRESHOLD = 10_000;

describe('the borrow check', () => {
  const stage = useStage();
  let clock: SinonFakeTimers;
  let proxy: FaultProxy;
  let transcript: WireTranscript;
  let links: Links;
  let db: ResettableKnex;

  beforeEach(() => {
    clock = useFakeTimers({ now: Date.now(), toFake: ['Date'] });
  });
  afterEach(() => clock.restore());

  async function make(count: number, options: ResettableOptions = {}): Promise<number[]> {
    proxy = await stage.proxy();
    transcript = new WireTranscript(proxy);
    links = new Links(proxy);
    db = stage.resettable({ through: proxy }, { checkIdleMillis: THRESHOLD, ...options });
    const pids = await idle(db, count);
    transcript.clear();
    return pids;
  }

  it('sends nothing to a connection that was idle for no longer than checkIdleMillis', async () => {
    await make(1);
    clock.setSystemTime(Date.now() + THRESHOLD);
    await db.raw('select 1 as one');
    expect(transcript.sql).to.deep.equal(['select 1 as one']);
  });

  it('sends one statement to a connection that was idle for longer, and lends it', async () => {
    const pids = await make(1);
    clock.setSystemTime(Date.now() + THRESHOLD + 1);
    expect(await pidOf(db)).to.equal(pids[0]);
    expect(transcript.sql).to.deep.equal(['SELECT 1', 'select pg_backend_pid() as pid']);
  });

  it('counts the idle time from the last use on', async () => {
    await make(1);
    for (const n of [1, 2, 3]) {
      clock.setSystemTime(Date.now() + THRESHOLD / 2 + 1);
      await db.raw('select ?::int as n', [n]);
    }
    expect(transcript.sql).not.to.include('SELECT 1');
  });

  it('checks before a transaction as well', async () => {
    await make(1);
    clock.setSystemTime(Date.now() + THRESHOLD + 1);
    await db.transaction((trx) => trx.raw('select 2'));
    expect(transcript.sql).to.deep.equal(['SELECT 1', 'BEGIN;', 'select 2', 'COMMIT;']);
  });

  it('does not check a connection that was just opened', async () => {
    await make(0);
    await db.raw('select 2');
    expect(transcript.sql).not.to.include('SELECT 1');
  });

  it('is off by default', async () => {
    await make(1, { checkIdleMillis: undefined });
    clock.setSystemTime(Date.now() + 2 * THRESHOLD);
    await db.raw('select 1 as one');
    expect(transcript.sql).to.deep.equal(['select 1 as one']);
  });

  for (const onFatal of ['discard', 'evict', 'reset'] as const) {
    it(`replaces dead connections without a failure, with onFatal '${onFatal}'`, async () => {
      await make(3, { onFatal });
      links.die();
      clock.setSystemTime(Date.now() + THRESHOLD + 1);
      expect(await failures(db, 6)).to.be.empty;
    });
  }

  it('replaces one whose death was not heard of yet', async () => {
    const pids = await make(1);
    proxy.freeze();
    clock.setSystemTime(Date.now() + THRESHOLD + 1);
    const asked = pidOf(db);
    await kill(stage, pids);
    proxy.thaw();
    expect(await asked).not.to.equal(pids[0]);
  });

  it('closes the others with the first one that is found dead', async () => {
    await make(5);
    links.die();
    clock.setSystemTime(Date.now() + THRESHOLD + 1);
    await db.raw('select 2');
    expect(transcript.sql.filter((sql) => sql === 'SELECT 1')).to.have.lengthOf(1);
    expect(transcript.sql).to.include('select 2');
  });
});
