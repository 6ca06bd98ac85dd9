// No statement of this package's own overlaps another on the wire, and none is answered by another's answer.
import { expect } from 'chai';
import type { Client } from 'pg';
import { connectionOf } from '../../lib/connection/connection';
import { outcome } from '../support/outcome';
import { useStage } from '../support/stage';

describe('a statement of the package’s own', () => {
  const stage = useStage();

  it('waits in the queue of its connection, and later statements wait for it', async () => {
    const db = stage.resettable();
    const raw = (await db.client.acquireConnection()) as Client;
    const connection = connectionOf(raw);
    const order: string[] = [];
    const note = (name: string) => (answer: unknown) => void order.push(`${name} ${JSON.stringify(answer)}`);
    const rows = (answer: unknown) => (answer as { rows: unknown[] }).rows;
    await Promise.all([
      raw.query('select pg_sleep(0.05), 1 as a').then((answer) => note('theirs')((rows(answer)[0] as { a: number }).a)),
      connection?.send('select 2 as b').then((answer) => note('ours')((rows(answer)[0] as { b: number }).b)),
      outcome(connection!.send('select 1/0')).then(({ error }) => note('ours')((error as { code: string }).code)),
      raw.query('select 3 as c').then((answer) => note('theirs')((rows(answer)[0] as { c: number }).c)),
    ]);
    expect(order).to.deep.equal(['theirs 1', 'ours 2', 'ours "22012"', 'theirs 3']);
    await db.client.releaseConnection(raw);
  });

  it('does not count as a running query, and the connection is not quiet meanwhile', async () => {
    const db = stage.resettable();
    const raw = (await db.client.acquireConnection()) as Client;
    const connection = connectionOf(raw)!;
    const sleep = connection.send('select pg_sleep(0.05)');
    expect(connection.running).to.equal(0);
    expect(connection.isQuiet).to.equal(false);
    await sleep;
    expect(connection.isQuiet).to.equal(true);
    await db.client.releaseConnection(raw);
  });
});
