// Conflicts that the database itself finds: another attempt resolves them.
import { expect } from 'chai';
import { useStage } from './stage';

describe('a block with retry', () => {
  const stage = useStage();
  const retry = { attempts: 4, minDelayMillis: 0 };

  /** A meeting point of two: resolves for both when both have come, and for everybody afterwards. */
  function meeting(): () => Promise<void> {
    let arrived = 0;
    let open = () => {};
    const both = new Promise<void>((resolve) => {
      open = resolve;
    });
    return () => {
      if (++arrived === 2) open();
      return both;
    };
  }

  describe('when the database asks for it', () => {
    beforeEach(() => stage.database.query('insert into accounts values (1, 0), (2, 0)'));
    const balances = async () =>
      (await stage.database.query('select balance from accounts order by id')).map(({ balance }) => balance);

    it('resolves a serialization conflict', async () => {
      const meet = meeting();
      const attempts: number[] = [];
      const add = () =>
        stage.db.atomic(
          async (trx) => {
            attempts.push(trx.attempt);
            const { balance } = await trx('accounts').where({ id: 1 }).first('balance');
            await meet();
            await trx('accounts')
              .where({ id: 1 })
              .update({ balance: balance + 1 });
          },
          { retry, isolationLevel: 'serializable' },
        );
      await Promise.all([add(), add()]);
      expect(await balances()).to.deep.equal([2, 0]);
      expect(attempts.toSorted((a, b) => a - b)).to.deep.equal([1, 1, 2]);
    });

    it('resolves a conflict that shows at COMMIT only', async () => {
      const meet = meeting();
      const attempts: number[] = [];
      const move = (from: number, to: number) =>
        stage.db.atomic(
          async (trx) => {
            attempts.push(trx.attempt);
            const { balance } = await trx('accounts').where({ id: from }).first('balance');
            await trx('accounts')
              .where({ id: to })
              .update({ balance: balance + 1 });
            await meet();
          },
          { retry, isolationLevel: 'serializable' },
        );
      await Promise.all([move(1, 2), move(2, 1)]);
      expect((await balances()).toSorted((a, b) => a - b)).to.deep.equal([1, 2]);
      expect(attempts.toSorted((a, b) => a - b)).to.deep.equal([1, 1, 2]);
    });

    it('resolves a deadlock', async () => {
      const meet = meeting();
      const attempts: number[] = [];
      const lock = (first: number, second: number) =>
        stage.db.atomic(
          async (trx) => {
            attempts.push(trx.attempt);
            await trx('accounts').where({ id: first }).increment('balance', 1);
            await meet();
            await trx('accounts').where({ id: second }).increment('balance', 1);
          },
          { retry },
        );
      await Promise.all([lock(1, 2), lock(2, 1)]);
      expect(await balances()).to.deep.equal([2, 2]);
      // On a starved machine the second attempt may meet the other's first again.
      expect(attempts.filter((attempt) => attempt === 1)).to.have.lengthOf(2);
      expect(attempts).to.include(2);
    });
  });
});
