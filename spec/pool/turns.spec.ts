// Turns on a sandbox's connection, where the order matters that a real one would have to be caught in.
import { expect } from 'chai';
import { SavepointMutex } from '../../lib/connection/savepoint-mutex';
import { type Deferred, defer } from '../../lib/words/waiting';
import { outcome } from '../support/outcome';

describe('Turns', () => {
  const always = () => {};
  let sent: string[];
  let quiet: Deferred<void>;
  let connection: ConstructorParameters<typeof SavepointMutex>[0] & {
    isQuiet: boolean;
    status: string;
  };
  let turns: SavepointMutex;

  beforeEach(() => {
    sent = [];
    quiet = defer();
    connection = {
      status: 'open',
      isQuiet: true,
      lastSql: 'select 1',
      sendAll: (statements) => Promise.resolve(sent.push(...statements)),
      whenQuiet: () => quiet.promise,
    };
    turns = new SavepointMutex(connection, true, always);
  });

  it('gives a query the unused savepoint at once', () => {
    expect(turns.takeForQuery(always)).to.equal(undefined);
    expect(sent).to.deep.equal([]);
  });

  it('come in the order of the calls', async () => {
    const order: string[] = [];
    void turns.takeForQuery(always);
    const later = [
      turns.take().then(() => order.push('statement')),
      turns.takeForQuery(always)?.then(() => order.push('query')),
      turns.finish([]).then(() => order.push('end')),
    ];
    for (const next of ['statement', 'query', 'end']) {
      expect(order).not.to.include(next);
      if (next === 'end') await turns.endQuery();
      else turns.end();
      await later.shift();
      expect(order.at(-1)).to.equal(next);
    }
  });

  it('pass on when one of them is refused', async () => {
    void turns.takeForQuery(always);
    const refusal = new Error('no');
    const refused = turns
      .takeForQuery(() => {
        throw refusal;
      })
      ?.catch((error: unknown) => error);
    const next = turns.take();
    turns.end();
    expect(await refused).to.equal(refusal);
    await next;
  });

  it('undo a failed query once the connection is ready, before the next', async () => {
    void turns.takeForQuery(always);
    Object.assign(connection, { isQuiet: false, status: 'unknown' });
    const ended = turns.endQuery();
    const next = turns.take();
    Object.assign(connection, { isQuiet: true, status: 'failed' });
    expect(sent).to.deep.equal([]);
    quiet.resolve();
    await ended;
    await next;
    expect(sent).to.deep.equal(['ROLLBACK TO SAVEPOINT sandbox', 'RELEASE SAVEPOINT sandbox']);
  });

  it('tell whoever waits or asks once they are closed, and send nothing', async () => {
    void turns.takeForQuery(always);
    const waiting = [turns.take(), turns.takeForQuery(always), turns.finish(['ROLLBACK'])];
    const reason = new Error('a reset');
    turns.close(reason);
    turns.close(new Error('later'));
    void turns.endQuery();
    for (const asked of [...waiting, turns.take(), turns.takeForQuery(always), turns.finish(['ROLLBACK'])])
      expect(await outcome(asked as Promise<void>)).to.deep.equal({ error: reason });
    expect(sent).to.deep.equal([]);
  });

  it('send nothing where they are closed between a turn and its start', async () => {
    void turns.take();
    const next = turns.take();
    turns.end();
    const reason = new Error('a reset');
    turns.close(reason);
    expect(await outcome(next)).to.deep.equal({ error: reason });
    expect(await outcome(turns.takeForQuery(always) as Promise<void>)).to.deep.equal({ error: reason });
  });

  it('undo nothing that was still running when they were closed', async () => {
    void turns.takeForQuery(always);
    Object.assign(connection, { isQuiet: false, status: 'unknown' });
    const ended = turns.endQuery();
    turns.close(new Error('a reset'));
    Object.assign(connection, { isQuiet: true, status: 'failed' });
    quiet.resolve();
    await ended;
    expect(sent).to.deep.equal([]);
  });
});
