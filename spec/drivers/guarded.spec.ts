// A driver whose client throws: the guard around it makes of each call what its table says.
import { expect } from 'chai';
import type { Driver } from '../../lib/drivers/driver';
import { guarded } from '../../lib/drivers/guarded';
import { failure } from '../support/outcome';

const boom = new Error('the client is broken');
const throws = (): never => {
  throw boom;
};

const broken = guarded<object>({
  name: 'broken',
  tap: throws,
  send: throws,
  status: throws,
  hasCommitted: throws,
  backendId: throws,
  isInStep: throws,
  isGone: throws,
  cancel: throws,
  closeGracefully: throws,
  destroySocket: throws,
  openSideConnection: throws,
  endHeard: throws,
  watchCut: throws,
});

describe('the guard around a driver whose client throws', () => {
  const connection = {};

  it('says of a connection that it is gone, failed and out of step', () => {
    expect(broken.isGone(connection)).to.be.true;
    expect(broken.status(connection)).to.equal('failed');
    expect(broken.isInStep?.(connection)).to.be.false;
    expect(broken.backendId(connection)).to.equal(undefined);
    expect(broken.hasCommitted(connection, { sql: 'commit' })).to.be.false;
    expect(broken.endHeard?.(connection)).to.equal(undefined);
    expect(broken.watchCut?.(connection).hasCut()).to.be.false;
    expect(broken.openSideConnection?.(connection)).to.equal(undefined);
    expect(() => broken.destroySocket(connection)).not.to.throw();
  });

  it('rejects what is sent or closed, and delivers no cancel request', async () => {
    expect(await failure(broken.send(connection, 'select 1'))).to.equal(boom);
    expect(await failure(broken.closeGracefully(connection) as Promise<unknown>)).to.equal(boom);
    expect(await broken.cancel?.(connection, 10)).to.be.false;
  });

  it('leaves a tap that throws to the one who taps', () => {
    expect(() => broken.tap(connection, {} as Parameters<Driver['tap']>[1])).to.throw(boom);
  });

  it('adds no method that the driver has not', () => {
    expect(broken).not.to.have.any.keys('resetSession', 'carry', 'askServerKind');
  });
});
