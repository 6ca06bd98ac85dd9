// What runners pass to their hooks, as objects of the same shape: recorded from tap 21, Cucumber 12, uvu 0.5, lab 26, QUnit 2.
import { expect } from 'chai';
import type { ResetOptions } from '../../lib';
import { type ResetHooks, resetHooks } from '../../lib/mocha';
import { failure } from '../support/outcome';
import { expectWarning } from '../support/process-problems';
import { type ResettableKnex, useStage } from '../support/stage';

describe('the context of another runner', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(() => {
    db = stage.resettable();
  });

  describe('is ignored by resetConnection() and openSandbox(), also where it is a plain object', () => {
    const contexts: [runner: string, context: object][] = [
      ['Cucumber', { gherkinDocument: {}, pickle: { name: 'sells a book' }, testCaseStartedId: 'x' }],
      ['uvu', { __suite__: '', __test__: 'sells a book', reason: 'the suite’s own' }],
      ['lab', { notes: [], context: undefined, note: () => {}, mustCall: () => {} }],
    ];
    for (const [runner, context] of contexts) {
      it(`of ${runner}`, async () => {
        expect(await db.resetConnection(context as ResetOptions)).to.include({ generation: 1, reason: undefined });
        const sandbox = await db.openSandbox(context);
        await sandbox.close();
      });
    }
  });

  describe('in the hooks of resetHooks()', () => {
    let hooks: ResetHooks;
    beforeEach(() => {
      hooks = resetHooks(db, { isolation: 'sandbox' });
    });
    afterEach(() => hooks.afterAll());

    const start = (context: unknown) => (hooks.beforeEach as (context: unknown) => Promise<void>)(context);
    const end = (context: unknown) => (hooks.afterEach as (context: unknown) => Promise<void>)(context);

    const titled: [runner: string, context: object][] = [
      ['Cucumber', { pickle: { name: 'sells a book' } }],
      ['uvu', { __suite__: '', __test__: 'sells a book' }],
      ['QUnit', { test: { testName: 'sells a book' } }],
    ];
    for (const [runner, context] of titled) {
      it(`has the name of the test in ${runner}`, async () => {
        await start(context);
        await db.transaction();
        expect((await failure(end(context))).message).to.match(/^"sells a book" left 1 transaction open/);
      });
    }

    /** tap calls the hooks after each test when that has ended. What is given to its `after()` then is never called. */
    const ofTap = (fullname: string) => ({
      name: fullname.split(' > ').at(-1),
      fullname,
      ended: false,
      error: () => {},
      after: () => {},
    });

    it('fails a test of tap that leaks', async () => {
      const test = ofTap('a.js > TAP > sells a book');
      await start(test);
      await db.transaction();
      test.ended = true;
      expect((await failure(end(test))).message).to.match(/sells a book" left 1 transaction open/);
    });

    it('keeps the outer test of tap in its sandbox, when a test inside it is over', async () => {
      const [outer, inner] = [ofTap('a.js > TAP > shop'), ofTap('a.js > TAP > shop > sells a book')];
      await start(outer);
      await db('t').insert({ id: 1 });
      await start(inner);
      await db('t').insert({ id: 2 });
      inner.ended = true;
      await end(inner);
      expect(await db('t').pluck('id')).to.deep.equal([1]);
      outer.ended = true;
      await end(outer);
      expect(await db('t')).to.be.empty;
    });

    it('that promises a later end, and does not call it, has a warning for what the test left open', async () => {
      const context = { name: 'sells a book', passed: true, after: () => {} };
      await start(context);
      await db.transaction();
      await end(context);
      expectWarning(/"sells a book" left 1 transaction open/);
      await start({ name: 'the next one' });
    });
  });
});
