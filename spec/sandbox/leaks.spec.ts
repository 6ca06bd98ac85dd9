// The report of `close()`: what was left open in the sandbox, and where it was opened.
import { once } from 'node:events';
import path from 'node:path';
import { expect } from 'chai';
import { failure, never, outcome, watch } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { expectUntouched, useTables } from './stage';

const here = path.basename(__filename);

describe('the leak report', () => {
  const stage = useTables();
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable();
  });
  afterEach(() => expectUntouched(stage, db));

  it('is empty when everything was awaited', async () => {
    const sandbox = await db.openSandbox();
    await db.transaction((trx) => trx('t').insert({ id: 1 }));
    await db('t').insert({ id: 2 });
    expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] });
  });

  it('is empty right after a failed query', async () => {
    const sandbox = await db.openSandbox();
    await failure(db.raw('select * from nothing'));
    expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] });
  });

  it('lists a transaction left open, with its label, SQL and place', async () => {
    const sandbox = await db.openSandbox();
    const trx = await db.transaction();
    await trx('t').insert({ id: 1, note: 'a secret' });
    const report = await sandbox.close();
    expect(report.queries).to.be.empty;
    expect(report.transactions).to.have.lengthOf(1);
    expect(report.transactions[0]).to.include({
      depth: 1,
      state: 'idle',
      lastSql: 'insert into "t" ("id", "note") values ($1, $2)',
    });
    expect(report.transactions[0]!.stack.split('\n')[0]).to.include(here);
    expect(JSON.stringify(report)).not.to.include('a secret');
    expect(await failure(trx('t').insert({ id: 2 }))).to.include({ code: 'ERR_SANDBOX' });
    await trx.rollback();
  });

  it('lists a block left open', async () => {
    const sandbox = await db.openSandbox();
    let isIn = false;
    const block = watch(
      db.atomic(
        () => {
          isIn = true;
          return never();
        },
        { label: 'forgotten' },
      ),
    );
    await until('the block runs', () => isIn);
    const { transactions } = await sandbox.close();
    expect(transactions.map(({ label, stack }) => [label, stack.includes(here)])).to.deep.equal([['forgotten', true]]);
    await until('the block is told', () => block.state === 'rejected');
    expect(block.error).to.include({ code: 'ERR_SANDBOX' });
  });

  it('lists a transaction that is about to begin', async () => {
    const sandbox = await db.openSandbox();
    const transaction = failure(db.transaction(never));
    const { transactions } = await sandbox.close();
    expect(transactions).to.have.lengthOf(1);
    expect(transactions[0]!.stack).to.include(here);
    await transaction;
  });

  it('lists the queries that run or wait for their turn', async () => {
    const sandbox = await db.openSandbox();
    const queries = [
      failure(db.raw('select pg_sleep(30), ?::text', ['a secret'])),
      failure(db('t').where({ note: 'a secret' })),
    ];
    await stage.running('pg_sleep');
    const report = await sandbox.close();
    expect(report.transactions).to.be.empty;
    expect(report.queries.map(({ sql }) => sql)).to.deep.equal([
      'select pg_sleep(30), ?::text',
      'select * from "t" where "note" = ?',
    ]);
    for (const { stack } of report.queries) expect(stack.split('\n')[0]).to.include(here);
    expect(JSON.stringify(report)).not.to.include('a secret');
    for (const query of queries) expect(await query).to.include({ code: 'ERR_SANDBOX' });
    const [running] = await Promise.all(queries);
    expect(running!.message)
      .to.include('the sandbox was closed while the query "select pg_sleep(30), ?::text" ran, opened at')
      .and.to.include(here);
    expect(running!.message + running!.stack).not.to.include('a secret');
  });

  it('and the error of what ran in a transaction name the transaction', async () => {
    const sandbox = await db.openSandbox();
    const trx = await db.transaction(undefined, {});
    const query = failure(trx.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const { transactions } = await sandbox.close();
    const error = await query;
    expect(error).to.include({ code: 'ERR_SANDBOX' });
    expect(error.message).to.include(`closed while "select pg_sleep(30)" ran in transaction ${transactions[0]!.id}`);
    expect(error.message).to.include(here);
  });

  it('comes with an error for the reader of a stream', async () => {
    const sandbox = await db.openSandbox();
    const reader = db.raw('select pg_sleep(30)').stream();
    const read = failure(once(reader, 'end'));
    await stage.running('pg_sleep');
    await sandbox.close();
    expect(await read).to.include({ code: 'ERR_SANDBOX' });
  });

  it('comes at once, whatever runs', async () => {
    for (const leave of [
      () => [failure(db.raw('select pg_sleep(30)'))],
      async () => {
        const trx = await db.transaction();
        return [failure(trx.raw('select pg_sleep(30)')), outcome(db.raw('select 1'))];
      },
    ]) {
      for (const wait of [() => stage.running('pg_sleep'), () => Promise.resolve()]) {
        const sandbox = await db.openSandbox();
        const left = await leave();
        await wait();
        const start = performance.now();
        await sandbox.close();
        expect(performance.now() - start).to.be.lessThan(1500);
        await Promise.all(left);
      }
    }
  });
});
