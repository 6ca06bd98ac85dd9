// That the stack of an open transaction begins with the user's frame, by whichever way it was opened.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { atomic, type AtomicTransaction, type ResetError } from '../../lib';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { expectUserFrames } from './stage';

const FILE = 'opened-where.spec.ts';

describe('where a transaction was opened', () => {
  const stage = useStage();

  const open = (trx: Knex.Transaction) => trx.raw('select 1').then(never);
  const hold = (trx: Knex.Transaction) => Promise.race([open(trx), trx.executionPromise]);
  const copyOf = (db: Knex) => db.withUserParams({ of: 'mine' }) as ResettableKnex;

  const ways: Record<string, (db: ResettableKnex) => PromiseLike<unknown>> = {
    'db.transaction(callback)': function opener(db) {
      return db.transaction(open);
    },
    'await db.transaction()': async function opener(db) {
      const trx = await db.transaction();
      return hold(trx);
    },
    'await db.transaction(), after another await': async function opener(db) {
      await db.raw('select 1');
      const trx = await db.transaction({ isolationLevel: 'serializable' });
      return hold(trx);
    },
    'a transactionProvider()': async function opener(db) {
      const provider = db.transactionProvider();
      return hold(await provider());
    },
    'db.atomic()': function opener(db) {
      return db.atomic(open);
    },
    'db.atomic(), taken off': function opener({ atomic: run }) {
      return run(open);
    },
    'atomic(db)': function opener(db) {
      return atomic(db, open);
    },
    'a copy’s transaction(callback)': function opener(db) {
      return copyOf(db).transaction(open);
    },
    'await of a copy’s transaction()': async function opener(db) {
      return hold(await copyOf(db).transaction());
    },
    'a copy’s transactionProvider()': async function opener(db) {
      return hold(await copyOf(db).transactionProvider()());
    },
    'a copy’s atomic()': function opener(db) {
      return copyOf(db).atomic(open);
    },
    'atomic(copy)': function opener(db) {
      return atomic(copyOf(db), open);
    },
  };
  for (const [title, opener] of Object.entries(ways)) {
    it(`is known for ${title}`, async () => {
      const db = stage.resettable();
      const ended = failure(opener(db));
      const { stack } = await until('it is open', () =>
        db.connectionState().transactions.find(({ lastSql, state }) => lastSql === 'select 1' && state === 'idle'),
      );
      expectUserFrames(stack, FILE, 'opener');
      await db.resetConnection();
      expect(await ended)
        .to.have.property('transaction')
        .with.property('stack', stack);
    });
  }

  const inside: Record<string, (trx: AtomicTransaction) => PromiseLike<unknown>> = {
    'trx.transaction(callback)': function opener(trx) {
      return trx.transaction(open);
    },
    'await trx.transaction()': async function opener(trx) {
      return hold(await trx.transaction());
    },
    'trx.atomic()': function opener(trx) {
      return trx.atomic(open);
    },
    'atomic(trx)': function opener(trx) {
      return atomic(trx, open);
    },
  };
  for (const [title, opener] of Object.entries(inside)) {
    it(`is known for ${title}, a savepoint`, async () => {
      const db = stage.resettable();
      let savepoint: Promise<Error & Partial<ResetError>> | undefined;
      const block = failure(
        db.atomic((trx) => {
          savepoint = failure(opener(trx));
          return savepoint;
        }),
      );
      await until('it is open', () => {
        const [shown] = db.connectionState().transactions;
        return shown?.depth === 2 && shown.lastSql === 'select 1' && shown.state === 'idle';
      });
      const outer = db.connectionState().transactions[0]!.stack;
      expectUserFrames(outer, FILE);
      expect(outer).not.to.include('opener');
      await db.resetConnection();
      await block;
      expectUserFrames((await savepoint)?.transaction?.stack ?? '', FILE, 'opener');
    });
  }

  it('is known for a transaction in a sandbox, which is a savepoint', async () => {
    const db = stage.resettable();
    const sandbox = await db.openSandbox();
    const trx = await (function opener() {
      return db.transaction();
    })();
    trx.executionPromise.catch(() => {});
    const { transactions } = await sandbox.close();
    expect(transactions).to.have.lengthOf(1);
    expectUserFrames(transactions[0]!.stack, FILE, 'opener');
  });

  it('is known in a project whose folder is named like knex', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-user-'));
    try {
      const file = path.join(folder, 'knex-shop', 'lib', 'orders.js');
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, 'exports.order = function order(db) { return db.transaction(); };');
      const { order } = require(file) as { order: (db: Knex) => Promise<Knex.Transaction> };
      const db = stage.resettable();
      const trx = await order(db);
      expectUserFrames(db.connectionState().transactions[0]!.stack, path.join('lib', 'orders.js'), 'order');
      await trx.rollback();
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
