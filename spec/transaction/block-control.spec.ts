// The end of a block belongs to the block: whoever ends its transaction by hand is told.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type AtomicTransaction, BlockControlError } from '../../lib';
import { rejection, useStage } from './stage';

describe('a block that is ended by hand', () => {
  const stage = useStage();

  for (const end of ['commit', 'rollback'] as const) {
    describe(`with trx.${end}()`, () => {
      it('rejects the call and, when that is not caught, the block', async () => {
        const error = await rejection(
          stage.db.atomic(async (trx) => {
            await trx('t').insert({ id: 1 });
            await trx[end]();
          }),
        );
        expect(error).to.be.instanceOf(BlockControlError).with.property('code', 'ERR_BLOCK_CONTROL');
        expect(stage.sql.at(-1)).to.equal('ROLLBACK');
        expect(await stage.ids()).to.deep.equal([]);
      });

      it('rejects in an inner block', async () => {
        await stage.db.atomic(async (trx) => {
          const inner = trx.atomic(async (nested) => void (await nested[end]()));
          expect(await rejection(inner)).to.be.instanceOf(BlockControlError);
        });
        expect(stage.sql).to.deep.equal([
          'BEGIN;',
          'SAVEPOINT s1;',
          'ROLLBACK TO SAVEPOINT s1',
          'RELEASE SAVEPOINT s1;',
          'COMMIT;',
        ]);
      });
    });
  }

  it('does nothing but reject trx.commit()', async () => {
    await stage.db.atomic(async (trx) => {
      await trx.raw('insert into t values (1)');
      expect(await rejection(trx.commit())).to.be.instanceOf(BlockControlError);
      expect(trx.isCompleted()).to.be.false;
      await trx.raw('insert into t values (2)');
    });
    expect(await stage.ids()).to.deep.equal([1, 2]);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'insert into t values (2)', 'COMMIT;']);
  });

  describe('with trx.rollback(), which dooms it', () => {
    for (const [how, wish] of [
      ['swallowed', (trx: Knex.Transaction) => rejection(trx.rollback())],
      ['with an error, swallowed', (trx: Knex.Transaction) => rejection(trx.rollback(new Error('mine')))],
      ['not awaited', async (trx: Knex.Transaction) => void trx.rollback()],
      [
        'by a joined block',
        (trx: AtomicTransaction) => trx.atomic((joined) => rejection(joined.rollback()), { savepoint: false }),
      ],
      ['by an inner block', (trx: AtomicTransaction) => trx.atomic(() => rejection(trx.rollback()))],
    ] as [string, (trx: AtomicTransaction) => Promise<unknown>][]) {
      it(`stores nothing: ${how}`, async () => {
        let refused: unknown;
        const error = await rejection(
          stage.db.atomic(async (trx) => {
            await trx.raw('insert into t values (1)');
            await wish(trx).catch(() => {});
            refused = await rejection(trx.raw('insert into t values (2)'));
          }),
        );
        expect(error).to.be.instanceOf(BlockControlError);
        expect(refused).to.be.instanceOf(BlockControlError);
        expect(stage.sql).not.to.include('insert into t values (2)');
        expect(await stage.ids()).to.deep.equal([]);
      });
    }

    it('undoes only the inner block that called it', async () => {
      await stage.db.atomic(async (trx) => {
        await trx.raw('insert into t values (1)');
        const inner = trx.atomic(async (nested) => {
          await nested.raw('insert into t values (2)');
          void nested.rollback();
        });
        expect(await rejection(inner)).to.be.instanceOf(BlockControlError);
      });
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  it('does not affect a plain transaction inside', async () => {
    await stage.db.atomic(async (trx) => {
      const nested = await trx.transaction();
      await nested('t').insert({ id: 1 });
      await nested.commit();
      const undone = await trx.transaction();
      await undone('t').insert({ id: 2 });
      await undone.rollback();
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  for (const end of ['commit', 'rollback'] as const) {
    for (const what of ['swallowed', 'let through'] as const) {
      it(`rejects after a raw ${end.toUpperCase()}, what it refused ${what}`, async () => {
        let refused: unknown;
        const error = await rejection(
          stage.db.atomic(
            async (trx) => {
              await trx.raw('insert into t values (1)');
              await trx.raw(end);
              const query = trx.raw('insert into t values (2)');
              if (what === 'swallowed') refused = await rejection(query);
              else await query;
            },
            { label: 'transfer' },
          ),
        );
        expect(error).to.be.instanceOf(BlockControlError);
        expect(error.message).to.include('transfer').and.to.include(end);
        if (what === 'swallowed') expect(refused).to.be.instanceOf(BlockControlError);
        expect(stage.sql.slice(0, 3)).to.deep.equal(['BEGIN;', 'insert into t values (1)', end]);
        expect(stage.sql).not.to.include('insert into t values (2)');
        expect(await stage.ids()).to.deep.equal(end === 'commit' ? [1] : []);
        await stage.idle();
        expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });
    }

    it(`rejects after a raw ${end.toUpperCase()} that was its last statement`, async () => {
      const error = await rejection(stage.db.atomic((trx) => trx.raw(end)));
      expect(error).to.be.instanceOf(BlockControlError);
    });

    it(`says so beside the error that a block throws after a raw ${end.toUpperCase()}`, async () => {
      const throwing = async (trx: AtomicTransaction) => {
        await trx.raw(end);
        throw new Error('mine');
      };
      for (const block of [throwing, (trx: AtomicTransaction) => trx.atomic(throwing)]) {
        const error = await rejection(stage.db.atomic(block));
        expect(error.message).to.equal('mine');
        const controls = error.suppressed?.filter((each) => each instanceof BlockControlError);
        expect(controls).to.have.lengthOf(1);
      }
    });

    it(`rejects after a raw ${end.toUpperCase()} in an inner block`, async () => {
      let inner: unknown;
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          inner = await rejection(trx.atomic((nested) => nested.raw(end)));
        }),
      );
      expect(inner).to.be.instanceOf(BlockControlError);
      expect(error).to.be.instanceOf(BlockControlError);
    });
  }

  it('rejects with its own error after a raw COMMIT', async () => {
    const mine = new Error('mine');
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        await trx.raw('commit');
        throw mine;
      }),
    );
    expect(error).to.satisfy((reason: unknown) => reason === mine || reason instanceof BlockControlError);
    expect([error, ...(error.suppressed ?? [])]).to.include(mine);
  });

  for (const script of ['commit and chain', 'commit; begin', 'rollback and chain', 'rollback; begin']) {
    it(`rejects after "${script}", and stores nothing that came after it`, async () => {
      let refused: unknown;
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await trx.raw(script);
          refused = await rejection(trx.raw('insert into t values (1)'));
        }),
      );
      expect(error).to.be.instanceOf(BlockControlError);
      expect(error.message).to.include(`"${script}"`);
      expect(refused).to.be.instanceOf(BlockControlError);
      expect(await stage.ids()).to.deep.equal([]);
    });
  }

  it('allows a raw ROLLBACK TO', async () => {
    await stage.db.atomic(async (trx) => {
      await trx.raw('savepoint chain; insert into t values (1); rollback to savepoint chain; release chain');
      await trx.raw('savepoint a; insert into t values (2)');
      await trx.raw('rollback to a');
      await trx.raw('insert into t values (3)');
    });
    expect(await stage.ids()).to.deep.equal([3]);
  });

  for (const when of ['once its error was heard', 'at the same time'] as const) {
    it(`notices a COMMIT that an error hides, and stores nothing that is asked ${when}`, async () => {
      const script = 'insert into t values (1); commit; select 1/0';
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          const hidden = rejection(trx.raw(script));
          if (when === 'once its error was heard') await hidden;
          const next = rejection(trx.raw('insert into t values (2)'));
          expect(await hidden).to.include({ code: '22012' });
          expect(await next).to.be.instanceOf(BlockControlError);
        }),
      );
      expect(error).to.be.instanceOf(BlockControlError);
      expect(error.message).to.include(`"${script}"`);
      expect(await stage.ids()).to.deep.equal([1]);
    });
  }

  it('notices such a COMMIT as its last statement', async () => {
    const swallowed = stage.db.atomic(async (trx) => void (await rejection(trx.raw('commit; select 1/0'))));
    expect(await rejection(swallowed)).to.be.instanceOf(BlockControlError);
  });

  it('runs no afterCommit hook, and the afterRollback hooks', async () => {
    const ran: string[] = [];
    await rejection(
      stage.db.atomic(async (trx) => {
        trx.afterCommit(() => void ran.push('afterCommit'));
        trx.afterRollback(() => void ran.push('afterRollback'));
        await trx.raw('rollback');
      }),
    );
    expect(ran).to.deep.equal(['afterRollback']);
  });

  it('refuses its handle after the block', async () => {
    let handle: Parameters<Parameters<typeof stage.db.atomic>[0]>[0] | undefined;
    await stage.db.atomic((trx) => {
      handle = trx;
    });
    stage.transcript.clear();
    expect((await rejection(handle!.raw('select 1'))).message).to.match(/complete/i);
    expect((await rejection(handle!.atomic(() => {}))).message).to.match(/complete|finished|over/i);
    expect(handle!.isCompleted()).to.be.true;
    expect(stage.sql).to.deep.equal([]);
  });
});
