// A stream that comes too late for its transaction tells its reader.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure } from '../support/outcome';
import { at, mine } from './exit-steps';
import { useStage } from './stage';

describe('a stream that is asked of a transaction', () => {
  const stage = useStage();

  async function read(handle: Knex): Promise<number> {
    let rows = 0;
    for await (const _ of handle.raw('select generate_series(1, 200)').stream()) rows += 1;
    return rows;
  }

  /** Resolves when a message that matches is on its way to the server. */
  const sent = (match: RegExp) => new Promise<void>((resolve) => at(stage, match, () => resolve()));

  it('which is open gives its reader every row, few as they are', async () => {
    await stage.db.transaction(async (trx) => {
      const rows: unknown[] = [];
      for await (const row of trx.raw('select generate_series(1, 3) as id').stream()) rows.push(row);
      expect(rows).to.deep.equal([{ id: 1 }, { id: 2 }, { id: 3 }]);
    });
  });

  it('which has ended rejects for its reader', async () => {
    const handle = await stage.db.transaction();
    await handle.commit();
    expect((await failure(read(handle))).message).to.include('Transaction query already complete');
    const block = await stage.db.atomic(async (trx) => ({ trx }));
    expect((await failure(read(block.trx))).message).to.include('Transaction query already complete');
  });

  it('which has ended says nothing to a reader that is gone', async () => {
    const handle = await stage.db.transaction();
    await handle.commit();
    const stream = handle.raw('select 1').stream();
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error));
    stream.destroy();
    await failure(read(handle)); // asked later, and answered
    expect(errors).to.be.empty;
  });

  for (const joins of [false, true]) {
    it(`whose ROLLBACK is under way rejects for its reader, ${joins ? 'in a block that joined it' : 'asked of the block itself'}`, async () => {
      const rolling = sent(/ROLLBACK/);
      let reading: Promise<Error> | undefined;
      const block = stage.db.atomic(async (trx) => {
        await trx.raw('select 1');
        const inner = (handle: Knex.Transaction) => rolling.then(() => read(handle));
        reading = failure(joins ? trx.atomic(inner, { savepoint: false }) : rolling.then(() => read(trx)));
        throw mine;
      });
      expect(await failure(block)).to.equal(mine);
      expect((await reading)?.message).to.include('Transaction query already complete');
    });
  }

  it('whose COMMIT is under way rejects for its reader', async () => {
    const committing = sent(/COMMIT/);
    let reading: Promise<Error> | undefined;
    await stage.db.atomic(async (trx) => {
      reading = failure(committing.then(() => read(trx)));
    });
    expect((await reading)?.message).to.include('Transaction query already complete');
  });
});
