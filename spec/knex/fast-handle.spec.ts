// The handles of lib/knex/fast-handle/ are used where knex's own are of the shape that they are made after, and only there.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { useFastHandles } from '../../lib/knex/fast-handle/fast-handles';
import type { Container } from '../../lib/knex/transaction-request';
import type { KnexTransaction, TransactionMaker } from '../../lib/knex/transaction-shape';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

/** Knex writes each of its methods down anew for each handle; a fast one inherits them. */
const isFast = (trx: Knex.Transaction) => !Object.hasOwn(trx, 'select');

type Make = new (...args: unknown[]) => KnexTransaction;

describe('fast handles', () => {
  const stage = useStage();
  const isOff = process.env.KNEX_HANDLES === 'own';

  beforeEach(() => useFastHandles(true));
  afterEach(() => useFastHandles(!isOff));

  /** An instance whose dialect makes its transactions of another class than knex's. */
  async function withTransactions(change: (Plain: Make) => Make): Promise<ResettableKnex> {
    const { client } = stage.knex();
    const made = client.transaction(() => Promise.resolve(), {}) as PromiseLike<unknown>;
    await made;
    const Changed = change(made.constructor as Make);
    class Dialect extends (client.constructor as new (config: object) => TransactionMaker) {
      override transaction(...args: unknown[]) {
        return new Changed(this, ...args);
      }
    }
    return stage.resettable({ client: Dialect as never });
  }

  /** The method by which this knex goes from a connection to the callback. */
  const name = async () => {
    const { client } = stage.knex();
    const made = client.transaction(() => Promise.resolve(), {}) as PromiseLike<unknown>;
    await made;
    return '_onAcquire' in made ? '_onAcquire' : '_evaluateContainer';
  };

  async function works(db: ResettableKnex): Promise<void> {
    const one = { rows: [{ n: 1 }] };
    expect(await db.transaction(async (trx) => trx.raw('select 1 as n'))).to.deep.include(one);
    expect(await db.atomic((trx) => trx.atomic((inner) => inner.raw('select 1 as n')))).to.deep.include(one);
    expect(await db.sandbox(() => db.transaction(async (trx) => trx.raw('select 1 as n')))).to.deep.include(one);
    expect((await failure(db.atomic((trx) => trx.raw('select 1/0')))).message).to.include('division by zero');
    const trx = await db.transaction();
    expect(trx.isCompleted()).to.be.false;
    await trx.rollback();
    expect(trx.isCompleted()).to.be.true;
    expect((await failure(trx.raw('select 1'))).message).to.include('Transaction query already complete');
  }

  it('are the handles of transactions and savepoints', async () => {
    const db = stage.resettable();
    expect(await db.transaction((trx) => trx.transaction(async (inner) => [isFast(trx), isFast(inner)]))).to.deep.equal(
      [true, true],
    );
  });

  it('are not used when they are switched off', async () => {
    useFastHandles(false);
    const db = stage.resettable();
    expect(await db.transaction(async (trx) => isFast(trx))).to.be.false;
    await works(db);
  });

  it('are used for a dialect that does not change them', async () => {
    const db = await withTransactions((Plain) => class extends Plain {});
    expect(await db.transaction(async (trx) => isFast(trx))).to.be.true;
  });

  it('are not used when a handle has a member that belongs to one transaction', async () => {
    const step = await name();
    const db = await withTransactions((Plain) => {
      class Told extends Plain {}
      Object.defineProperty(Told.prototype, step, {
        value: function (this: KnexTransaction, ...args: unknown[]) {
          const at = step === '_onAcquire' ? 0 : 1;
          const container = args[at] as Container;
          args[at] = (handle: Knex.Transaction) => container(Object.assign(handle, { itself: () => handle }));
          return (Plain.prototype as Record<string, (...rest: unknown[]) => unknown>)[step]?.apply(this, args);
        },
      });
      return Told;
    });
    const found = await db.transaction(async (trx) => {
      const told = trx as unknown as { itself(): unknown };
      return { isFast: isFast(trx), isItself: told.itself() === trx };
    });
    expect(found).to.deep.equal({ isFast: false, isItself: true });
    await works(db);
  });

  it('are not used when a transaction has a field of its own from its BEGIN on', async () => {
    const db = await withTransactions(
      (Plain) =>
        class extends Plain {
          override get trxClient() {
            return (this as unknown as { queriesBy: TransactionMaker | undefined }).queriesBy;
          }

          override set trxClient(client) {
            Object.assign(this, { queriesBy: client });
            if (client) Object.assign(this, { begunAt: Date.now() });
          }
        },
    );
    expect(await db.transaction(async (trx) => isFast(trx))).to.be.false;
    await works(db);
  });

  it('are not used when no sample can be taken', async () => {
    const db = await withTransactions(
      (Plain) =>
        class extends Plain {
          constructor(client: TransactionMaker, ...rest: unknown[]) {
            if (!client.pool && !client.transacting) throw new Error('there is no database');
            super(client, ...rest);
          }
        } as Make,
    );
    expect(await db.transaction(async (trx) => isFast(trx))).to.be.false;
    await works(db);
  });
});
