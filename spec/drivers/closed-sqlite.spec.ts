// What the better-sqlite3 driver asks of a connection that is closed: libsql, which has the same interface, ends the process at some questions.
import { expect } from 'chai';
import { betterSqliteDriver } from '../../lib/drivers/sqlite/better-sqlite3';

describe('better-sqlite3 driver', () => {
  describe('on a closed connection', () => {
    let asked: number;
    const closed = {
      open: false,
      get inTransaction(): boolean {
        asked++;
        return false;
      },
      close: () => {},
    } as never;

    beforeEach(() => {
      asked = 0;
    });

    it('tells its status without asking it', () => {
      expect(betterSqliteDriver.status(closed)).to.equal('idle');
      expect(asked).to.equal(0);
    });

    it('closes it again without asking it', () => {
      void betterSqliteDriver.closeGracefully(closed);
      expect(asked).to.equal(0);
    });
  });
});
