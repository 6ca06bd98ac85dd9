// Each undocumented piece of knex's Transaction that lib/knex relies on, on plain knex: when knex changes one, it fails here by name.
import { expect } from 'chai';
import type { Knex } from 'knex';
import type { KnexTransaction, TransactionMaker } from '../../lib/knex/transaction-shape';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('knex’s transaction', () => {
  const stage = useStage();
  let db: Knex;
  let client: TransactionMaker;

  beforeEach(() => {
    db = stage.knex();
    client = db.client as TransactionMaker;
  });

  function transactionOf(container: (trx: Knex.Transaction) => unknown): KnexTransaction {
    return client.transaction(container, { doNotRejectOnRollback: true } as never, null);
  }

  it('is made by `client.transaction(container, config, outer)`, before its first step', async () => {
    const handles: Knex.Transaction[] = [];
    const made = transactionOf((trx) => void handles.push(trx));
    expect(made).to.include({ client, outerTx: null, trxClient: undefined, _completed: false });
    expect(made.txid).to.match(/^trx\d+$/);
    expect(handles).to.be.empty;
    const trx = await until('it has begun', () => handles[0]);
    await trx.rollback();
    await made;
  });

  it('takes its steps by methods of its class: acquireConnection, begin, commit', async () => {
    expect(await stepsOf((trx) => trx.raw('select 1'))).to.deep.equal(['acquireConnection', 'begin', 'commit']);
  });

  it('takes its steps in a rollback: acquireConnection, begin, rollback', async () => {
    expect(await stepsOf(() => Promise.reject(new Error('no')))).to.deep.equal([
      'acquireConnection',
      'begin',
      'rollback',
    ]);
  });

  it('takes its steps when it is nested: savepoint, release, rollbackTo', async () => {
    const inner = (container: (trx: Knex.Transaction) => Promise<unknown>) => (outer: Knex.Transaction) =>
      stepsOf(container, outer);
    const released = ['acquireConnection', 'savepoint', 'release'];
    expect(await db.transaction(inner((trx) => trx.raw('select 1')))).to.deep.equal(released);
    const rolledBack = ['acquireConnection', 'savepoint', 'rollbackTo'];
    expect(await db.transaction(inner(() => Promise.reject(new Error('no'))))).to.deep.equal(rolledBack);
  });

  /** The steps that knex takes, in their order, by a class of our own put under the object before its first step. */
  async function stepsOf(container: (trx: Knex.Transaction) => unknown, outer?: Knex.Transaction): Promise<string[]> {
    const steps: string[] = [];
    const owner = (outer?.client ?? client) as TransactionMaker;
    const made = owner.transaction(container as never, {} as never, null);
    const methods = Object.getPrototypeOf(made) as Record<string, (...args: unknown[]) => unknown>;
    const controlled = Object.create(methods) as Record<string, unknown>;
    const names = ['acquireConnection', 'begin', 'savepoint', 'commit', 'release', 'rollback', 'rollbackTo'] as const;
    for (const name of names) {
      controlled[name] = function (this: KnexTransaction, ...args: unknown[]) {
        steps.push(name);
        return methods[name]!.apply(this, args);
      };
    }
    Object.setPrototypeOf(made, controlled);
    await made.catch(() => {});
    return steps;
  }

  it('stores the ends of its execution promise in `_resolver` and `_rejecter`, and settles by them', async () => {
    for (const [how, expected] of [
      ['commit', '_resolver'],
      ['rollback', '_rejecter'],
    ] as const) {
      const called: string[] = [];
      const handles: Knex.Transaction[] = [];
      const made = transactionOf((trx) => void handles.push(trx));
      for (const name of ['_resolver', '_rejecter'] as const) {
        let end: (value: unknown) => void = () => {};
        Object.defineProperty(made, name, {
          get: () => (value: unknown) => {
            called.push(name);
            end(value);
          },
          set: (given: (value: unknown) => void) => {
            end = given;
          },
        });
      }
      const trx = await until('it has begun', () => handles[0]);
      trx.executionPromise.catch(() => {});
      await trx[how](how === 'rollback' ? (new Error('back') as never) : 'value');
      await made.catch(() => {});
      expect(called).to.deep.equal([expected]);
    }
  });

  it('does not give back a connection that it was given by `config.connection`', async () => {
    const connection = await client.acquireConnection();
    const released: object[] = [];
    client.releaseConnection = async (each) => void released.push(each);
    await client.transaction((trx) => trx.raw('select 1') as never, { connection } as never, null);
    expect(released).to.be.empty;
    delete (client as Partial<TransactionMaker>).releaseConnection;
    await client.releaseConnection(connection);
  });

  it('marks its end in `_completed`, which isCompleted() tells', async () => {
    const handles: Knex.Transaction[] = [];
    const made = transactionOf((each) => void handles.push(each));
    const trx = await until('it has begun', () => handles[0]);
    expect([made._completed, made.isCompleted(), trx.isCompleted()]).to.deep.equal([false, false, false]);
    await trx.commit();
    expect([made._completed, made.isCompleted(), trx.isCompleted()]).to.deep.equal([true, true, true]);
    await made;
  });

  it('queries through `trxClient`: `transacting`, of the client’s class, with own query() and stream()', async () => {
    const made = transactionOf((trx) => trx.raw('select 1'));
    await made;
    const { trxClient } = made;
    expect(trxClient).to.have.property('transacting', true);
    expect(Object.getPrototypeOf(trxClient)).to.equal(client.constructor.prototype);
    for (const name of ['query', 'stream']) expect(Object.hasOwn(trxClient as object, name)).to.be.true;
  });

  it('is the `outerTx` of nested transactions', async () => {
    const outers: unknown[] = [];
    class Watched extends (client.constructor as new () => TransactionMaker) {
      override transaction(...args: Parameters<TransactionMaker['transaction']>) {
        outers.push(args[2] ?? undefined);
        return super.transaction(...args);
      }
    }
    Object.setPrototypeOf(client, Watched.prototype);
    await db.transaction((trx) => trx.transaction((inner) => inner.raw('select 1')));
    expect(outers).to.have.lengthOf(2);
    expect(outers[0]).to.be.undefined;
    expect(outers[1]).to.have.property('txid');
  });

  it('answers each step with the query object, whose `response` is the driver’s', async () => {
    let answered: unknown;
    const handles: Knex.Transaction[] = [];
    const made = transactionOf((each) => void handles.push(each));
    const methods = Object.getPrototypeOf(made) as KnexTransaction;
    made.commit = async function (connection, value) {
      answered = await methods.commit.call(this, connection, value);
      return answered;
    };
    const trx = await until('it has begun', () => handles[0]);
    await trx.commit();
    await made;
    expect(answered).to.have.property('response').that.includes({ command: 'COMMIT' });
  });
});
