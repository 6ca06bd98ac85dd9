// Turns on a sandbox's connection, where the order matters that a real one would have to be caught in.
import { expect } from 'chai';
import { Turns } from '../../lib/pool/turns';
import { type Deferred, defer } from '../../lib/waiting';

describe('Turns', () => {
  const always = () => {};
  let sent: string[];
  let quiet: Deferred<void>;
  let connection: ConstructorParameters<typeof Turns>[0] & {
    refusal: Error | undefined;
    isQuiet: boolean;
    status: string;
  };
  let turns: Turns;

  beforeEach(() => {
    sent = [];
    quiet = defer();
    connection = {
      status: 'open',
      isQuiet: true,
      refusal: undefined,
      lastSql: 'select 1',
      sendAll: (statements) => Promise.resolve(sent.push(...statements)),
      whenQuiet: () => quiet.promise,
    };
    turns = new Turns(connection, true, always);
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

  it('send nothing once a reset has the connection', async () => {
    void turns.takeForQuery(always);
    const next = turns.take();
    connection.refusal = new Error('a reset');
    quiet.resolve();
    await turns.endQuery();
    await next;
    expect(sent).to.deep.equal([]);
  });
});
