// The end of a sandbox has one bound, whatever is slow about it; and constraints that could not be checked in it do not hold.
import { expect } from 'chai';
import { SandboxError } from '../../lib';
import { registeredOf } from '../../lib/registry';
import { nestSandbox } from '../../lib/sandbox/sandbox';
import { millisOf, outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { useTables } from './stage';

const TIMEOUT_MILLIS = 1000;
/** Once the time, and what a machine under load may add: not twice. */
const BOUND_MILLIS = 1600;

/** Its check goes on for longer than the sandbox has. */
const SLOW = `
  create table slow (n int);
  create function at_commit() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(60);
      return null;
    end $$;
  create constraint trigger at_commit after insert on slow
    deferrable initially deferred for each row execute function at_commit();
`;

describe('the slow end of a sandbox', () => {
  const stage = useTables();
  before(() => stage.database.query(SLOW));

  async function bounded(end: Promise<unknown>): Promise<unknown> {
    const ended = outcome(end);
    expect(await millisOf(ended)).to.be.below(BOUND_MILLIS);
    return (await ended).error;
  }

  function expectUnchecked(error: unknown): void {
    expect(error).to.be.instanceOf(SandboxError);
    expect((error as Error).message)
      .to.include('the deferred constraints could not be checked in time')
      .and.to.include(`${TIMEOUT_MILLIS} ms`);
  }

  it('fails it where the constraints could not be checked in time, and keeps its connection', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } }, { timeoutMillis: TIMEOUT_MILLIS });
    for (const end of [
      () => db.sandbox(() => db('slow').insert({ n: 1 })),
      async () => {
        const sandbox = await db.openSandbox();
        await db('slow').insert({ n: 1 });
        await sandbox.close();
      },
    ]) {
      expectUnchecked(await bounded(end()));
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
      expect(await stage.database.query('select * from slow')).to.be.empty;
    }
  });

  it('fails one inside another in the same way, and leaves the outer one as it was', async () => {
    const db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
    const outer = await db.openSandbox();
    await db('t').insert({ id: 1 });
    const inner = await nestSandbox(registeredOf('spec', db), outer, {});
    await db('slow').insert({ n: 1 });
    expectUnchecked(await bounded(inner.close()));
    expect(await db('t').pluck('id')).to.deep.equal([1]);
    await outer.close();
  });

  describe('of one inside another', () => {
    const LEFT: Record<string, (db: ResettableKnex) => Promise<unknown>> = {
      'a query': async (db) => void (await db.raw('select pg_sleep(60)')),
      'a query of a transaction': (db) => db.transaction((trx) => trx.raw('select pg_sleep(60)')),
    };
    for (const [what, ask] of Object.entries(LEFT)) {
      it(`stops ${what} that runs in it, and leaves the outer one as it was`, async () => {
        const db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
        const outer = await db.openSandbox();
        await db('t').insert({ id: 1 });
        const inner = await nestSandbox(registeredOf('spec', db), outer, {});
        const left = outcome(ask(db));
        await stage.running('pg_sleep');
        expect(await millisOf(inner.close())).to.be.below(TIMEOUT_MILLIS);
        expect((await left).error).to.include({ code: 'ERR_SANDBOX' });
        expect(await db('t').pluck('id')).to.deep.equal([1]);
        expect(await outer.close()).to.deep.equal({ transactions: [], queries: [] });
      });
    }

    it('waits for a query of the outer one', async () => {
      const db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
      const outer = await db.openSandbox();
      const trx = await db.transaction();
      const inner = await nestSandbox(registeredOf('spec', db), outer, {});
      await db('t').insert({ id: 1 });
      const slow = trx.raw("select 'slept' as it, pg_sleep(1.5)").then(({ rows }: { rows: object[] }) => rows[0]);
      await stage.running('pg_sleep');
      await inner.close();
      expect(await slow).to.include({ it: 'slept' });
      expect(await trx('t')).to.be.empty;
      await trx.rollback();
      await outer.close();
    });

    it('is bounded where a connection is held in it, which dooms the outer one', async () => {
      const db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
      const outer = await db.openSandbox();
      const inner = await nestSandbox(registeredOf('spec', db), outer, {});
      await db.client.acquireConnection();
      await bounded(inner.close());
      expect(await outcome(db('t'))).to.have.property('error');
      expect(await bounded(outer.close())).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    });
  });

  it('is bounded once where the server has fallen silent, and fails it', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy }, { timeoutMillis: TIMEOUT_MILLIS });
    const sandbox = await db.openSandbox();
    await db('t');
    proxy.freeze();
    expectUnchecked(await bounded(sandbox.close()));
    await until('its connection is not in use', () => db.connectionState().connections.inUse === 0);
  });

  it('is bounded once where the server has fallen silent while a query runs', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy }, { timeoutMillis: TIMEOUT_MILLIS });
    const sandbox = await db.openSandbox();
    const query = outcome(db.raw('select pg_sleep(60)'));
    await stage.running('pg_sleep');
    proxy.freeze();
    await bounded(sandbox.close());
    expect(await query).to.have.property('error');
  });

  it('passes one whose constraints are not to be checked', async () => {
    const db = stage.resettable({}, { timeoutMillis: TIMEOUT_MILLIS });
    await db.sandbox(() => db('slow').insert({ n: 1 }), { checkConstraints: false });
  });
});
