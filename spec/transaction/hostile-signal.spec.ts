// A signal is the user's object: what of it throws takes nothing from the block, neither its end nor what it stored.
import { expect } from 'chai';
import { outcome } from '../support/outcome';
import { useStage } from './stage';

describe('a signal', () => {
  const stage = useStage();

  const fail = () => {
    throw new Error('from the signal');
  };

  it('whose reason cannot be read ends the block', async () => {
    const controller = new AbortController();
    Object.defineProperty(controller.signal, 'reason', { get: fail });
    const block = outcome(stage.db.atomic((trx) => trx.raw('select pg_sleep(60)'), { signal: controller.signal }));
    await stage.running(/pg_sleep/);
    controller.abort();
    expect(await block).to.have.property('error');
    expect(stage.db.connectionState().transactions).to.deep.equal([]);
  });

  it('whose reason cannot be read is aborted already, and the block does not begin', async () => {
    const signal = Object.defineProperty(AbortSignal.abort(), 'reason', { get: fail });
    const ended = await outcome(stage.db.atomic((trx) => trx.raw('insert into t values (1)'), { signal }));
    expect(ended).to.have.property('error');
    expect(await stage.ids()).to.deep.equal([]);
  });

  for (const [title, removeEventListener] of Object.entries({ throws: fail, 'is not there': undefined })) {
    it(`whose removeEventListener() ${title} does not fail a block that is stored`, async () => {
      const signal = Object.assign(new AbortController().signal, { removeEventListener }) as AbortSignal;
      const { value } = await outcome(
        stage.db.atomic(
          async (trx) => {
            await trx.raw('insert into t values (1)');
            return 'stored';
          },
          { signal },
        ),
      );
      expect(value).to.equal('stored');
      expect(await stage.ids()).to.deep.equal([1]);
    });
  }
});
