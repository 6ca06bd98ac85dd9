// What may be given to `resetConnection()`, what is refused, and that a refused call did nothing.
import { expect } from 'chai';
import type { ResetOptions } from '../../lib';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

describe('resetConnection()', () => {
  const stage = useStage();
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable();
  });

  function reset(given: unknown): ReturnType<ResettableKnex['resetConnection']> {
    return db.resetConnection(given as ResetOptions);
  }

  describe('given an argument of the wrong type', () => {
    const refused: [title: string, given: unknown, names: (string | RegExp)[]][] = [
      ['null', null, ['null', 'options object']],
      ['a number', 5, ['number 5', 'options object']],
      ['a string, without showing it,', 'now', [/given a string$/, 'options object']],
      ['true', true, ['boolean true', 'options object']],
      ['an array', [], ['an array', 'options object']],
      ['an unknown option', { reasn: 'x' }, ['reasn', 'reason']],
      ['an option of another function', { ambient: true }, ['ambient']],
      ['a key of every object', { toString: 1 }, ['toString']],
      ['a reason that is no string', { reason: 1 }, ['reason', 'number 1', 'a string']],
      ['a negative grace', { graceMillis: -1 }, ['graceMillis', 'number -1', 'milliseconds']],
      ['a grace that is no number', { graceMillis: '5' }, ['graceMillis', "'5'", 'milliseconds']],
      ['a grace without end', { graceMillis: Infinity }, ['graceMillis', 'Infinity']],
      ['a timeout that is not a number', { timeoutMillis: NaN }, ['timeoutMillis', 'NaN']],
      ['a timeout beyond what timers take', { timeoutMillis: 2 ** 31 }, ['timeoutMillis']],
      ['null as a timeout', { timeoutMillis: null }, ['timeoutMillis', 'null']],
      ['another way to end connections', { connections: 'drop' }, ['connections', "'drop'", "'close'", "'recycle'"]],
      ['another fate for who waits', { waiting: true }, ['waiting', 'boolean true', "'reject'", "'requeue'"]],
    ];
    for (const [title, given, names] of refused) {
      it(`rejects ${title} with a TypeError that says what is expected`, async () => {
        await db.raw('select 1');
        const [backend] = await stage.database.backends();
        const error = await failure(reset(given));
        expect(error).to.be.an.instanceof(TypeError);
        for (const name of names) expect(error.message).to.match(typeof name === 'string' ? new RegExp(name) : name);
        expect(db.connectionState()).to.include({ generation: 0, resetting: false });
        expect((await stage.database.backends())[0]).to.include({ pid: backend!.pid });
      });
    }

    it('shows nothing of the argument that may be secret', async () => {
      for (const given of ['postgres://me:secret@db/x', { reason: { password: 'secret' } }, ['secret']]) {
        expect((await failure(reset(given))).message).not.to.include('secret');
      }
    });
  });

  describe('given the argument that test runners pass to hooks', () => {
    it('ignores a test context and a callback', async () => {
      await db.raw('select 1');
      class Context {
        reason = 'none of yours';
        graceMillis = -1;
      }
      expect(await reset(new Context())).to.include({ closedConnections: 1, reason: undefined });
      const done = () => {
        throw new Error('called back, though it returns a promise');
      };
      expect(await reset(done)).to.include({ generation: 2 });
      expect(await reset(this)).to.include({ generation: 3 });
    });

    it('takes options without a prototype, and undefined values', async () => {
      const bare = Object.assign(Object.create(null), { reason: 'bare', graceMillis: undefined });
      expect(await reset(bare)).to.include({ reason: 'bare' });
      expect(await reset(undefined)).to.include({ reason: undefined });
    });
  });

  describe('as a hook', () => {
    const hooked: ResettableKnex[] = [];
    before(() => {
      hooked.push(stage.resettable());
    });
    // As in `beforeEach(db.resetConnection)`: unbound, called with the runner's context.
    beforeEach(function () {
      // oxlint-disable-next-line typescript/unbound-method -- that it may be taken off is what is shown
      const { resetConnection } = hooked[0]!;
      return (resetConnection as (this: unknown) => Promise<unknown>).call(this);
    });

    it('resets before the first test', () => {
      expect(hooked[0]?.connectionState().generation).to.equal(1);
    });

    it('calls no callback', () => {
      expect(hooked[0]?.resetConnection.length).to.equal(0);
    });
  });
});
