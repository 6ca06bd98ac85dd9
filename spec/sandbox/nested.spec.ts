// A sandbox inside a pinned one, for a test inside a test: a savepoint that is undone at its end.
import { expect } from 'chai';
import { type Sandbox, SandboxError } from '../../lib';
import { registeredOf } from '../../lib/registry';
import { nestSandbox } from '../../lib/sandbox/sandbox';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, useTables } from './stage';

describe('a nested sandbox', () => {
  const stage = useTables();
  let db: ResettableKnex;
  let outer: Sandbox;

  const nest = (around = outer) => nestSandbox(registeredOf('spec', db), around, {});
  const rows = async () => (await db('t').pluck('id').orderBy('id')) as number[];

  beforeEach(async () => {
    db = stage.resettable({ acquireConnectionTimeout: 1000 });
    outer = await db.openSandbox();
    await db('t').insert({ id: 1 });
  });
  afterEach(() => expectUntouched(stage, db));

  it('undoes what was done in it, transactions and failures included, and the outer one goes on', async () => {
    const inner = await nest();
    await db('t').insert({ id: 2 });
    await db.transaction((trx) => trx('t').insert({ id: 3 }));
    await db.atomic((trx) => trx('t').insert({ id: 4 }), { durable: true });
    expect(await failure(db('t').insert({ id: 2 }))).to.include({ code: '23505' });
    expect(await rows()).to.deep.equal([1, 2, 3, 4]);
    expect(await inner.close()).to.deep.equal({ transactions: [], queries: [] });
    expect(await rows()).to.deep.equal([1]);
    await db('t').insert({ id: 5 });
    expect(await rows()).to.deep.equal([1, 5]);
    expect(await outer.close()).to.deep.equal({ transactions: [], queries: [] });
  });

  it('can be repeated and nested', async () => {
    for (const id of [2, 3]) {
      const inner = await nest();
      await db('t').insert({ id });
      const innermost = await nest(inner);
      await db('t').insert({ id: 9 });
      await innermost.close();
      expect(await rows()).to.deep.equal([1, id]);
      await inner.close();
    }
    expect(await rows()).to.deep.equal([1]);
    await outer.close();
  });

  it('reports and ends what was left open in it', async () => {
    const inner = await nest();
    const trx = await db.transaction();
    await trx('t').insert({ id: 2 });
    const { transactions } = await inner.close();
    expect(transactions.map(({ stack }) => stack.split('\n')[0]))
      .to.match(/nested\.spec\.ts/)
      .and.to.have.lengthOf(1);
    expect(await failure(trx('t'))).to.be.instanceOf(SandboxError);
    expect(await rows()).to.deep.equal([1]);
    expect(await outer.close()).to.deep.equal({ transactions: [], queries: [] });
  });

  it('is inside a transaction that the outer test has open by its handle, and undoes nothing of it', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ id: 2 });
    const inner = await nest();
    await db('t').insert({ id: 3 });
    await trx('t').insert({ id: 4 });
    await inner.close();
    await trx('t').insert({ id: 5 });
    await trx.commit();
    expect(await rows()).to.deep.equal([1, 2, 5]);
    await outer.close();
  });

  it('fails for a violated deferred constraint, and the outer one goes on', async () => {
    const inner = await nest();
    await db('child').insert({ parent_id: 1 });
    expect(await failure(inner.close())).to.include({ code: '23503' });
    expect(await db('child')).to.be.empty;
    await outer.close();
  });

  it('fails for a raw COMMIT in it, and so does the outer one, which has ended', async () => {
    const inner = await nest();
    await db.raw('rollback');
    expect(await failure(inner.close()))
      .to.be.instanceOf(SandboxError)
      .with.property('message')
      .that.includes('"rollback"');
    expect(await failure(outer.close())).to.be.instanceOf(SandboxError);
  });

  it('ends with the outer one when it is not closed', async () => {
    const inner = await nest();
    await db('t').insert({ id: 2 });
    await outer.close();
    expect(await rows()).to.be.empty;
    expect(await failure(inner.close())).to.be.instanceOf(SandboxError);
    expect(await rows()).to.be.empty;
  });
});
