// The small print of a block's time limit and abort signal.
import { expect } from 'chai';
import { rejection, useStage } from './stage';

describe('a block with a limit', () => {
  const stage = useStage();
  const reason = new Error('the reason');

  it('rejects with an error that names the block', async () => {
    const options = { timeoutMillis: 20, label: 'transfer' };
    const error = await rejection(stage.db.atomic(() => new Promise(() => {}), options));
    expect(error.message).to.include('transfer').and.to.include('20');
  });

  it('sends nothing when the signal is aborted already', async () => {
    let calls = 0;
    const signal = AbortSignal.abort(reason);
    expect(await rejection(stage.db.atomic(() => void calls++, { signal }))).to.equal(reason);
    expect([calls, stage.sql]).to.deep.equal([0, []]);
  });

  it('rejects with the reason of the signal, the default one included', async () => {
    const error = await rejection(stage.db.atomic(() => {}, { signal: AbortSignal.abort() }));
    expect(error.name).to.equal('AbortError');
  });

  it('ignores a signal that aborts after the block, and leaves no listener on it', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const removed: string[] = [];
    const remove = signal.removeEventListener.bind(signal);
    signal.removeEventListener = (type: string, listener: never) => {
      removed.push(type);
      remove(type, listener);
    };
    expect(await stage.db.atomic(() => 'value', { signal })).to.equal('value');
    expect(removed).to.deep.equal(['abort']);
    controller.abort(reason);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
  });
});
