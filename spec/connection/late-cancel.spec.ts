// A cancel request stops what runs when it arrives, whatever that is.
import { expect } from 'chai';
import { Connection } from '../../lib/connection/connection';
import type { Driver } from '../../lib/drivers/driver';
import { defer } from '../../lib/words/waiting';
import { nextTurn } from '../support/outcome';

describe('a cancel request that is on its way when its statement is answered', () => {
  it('holds the next statement back until it is delivered', async () => {
    const delivered = defer<boolean>();
    const driver = {
      backendId: () => 7,
      tap: () => () => {},
      status: () => 'open',
      cancel: () => delivered.promise,
    } as unknown as Driver;
    const events = { onDeath: () => {}, onError: () => {} };
    const connection = new Connection({}, driver, { generation: 0, evictionCount: 0 }, events);
    const started: string[] = [];
    const ask = (sql: string) => connection.ask({ sql, start: () => started.push(sql), abort: () => {} });

    ask('release savepoint a');
    const cancelled = connection.cancel(10_000);
    connection.answered(null, undefined, undefined);
    connection.next();
    ask('insert into t values (1)');
    await nextTurn();
    expect(started).to.deep.equal(['release savepoint a']);
    expect(connection.isQuiet).to.equal(false);

    delivered.resolve(true);
    await cancelled;
    expect(started).to.deep.equal(['release savepoint a', 'insert into t values (1)']);
  });
});
