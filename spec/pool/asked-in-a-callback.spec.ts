// A statement that is asked in the callback of the one before, on a connection taken by hand.
import { expect } from 'chai';
import { connectionOf } from '../../lib/connection/connection';
import { useStage } from '../support/stage';

interface RawClient {
  query(sql: string, callback: () => void): void;
}

describe('a statement asked in the callback of the one before', () => {
  const stage = useStage();

  it('is sent once', async () => {
    await stage.database.query('create table once (n int)');
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const raw = (await db.client.acquireConnection()) as RawClient;
    await new Promise<void>((resolve) => {
      raw.query('select 1', () => raw.query('insert into once values (1)', () => resolve()));
    });
    await connectionOf(raw)!.whenQuiet();
    expect(await stage.database.query('select n from once')).to.deep.equal([{ n: 1 }]);
    await db.client.releaseConnection(raw);
  });
});
