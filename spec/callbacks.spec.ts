// Every function that users hand in: one that would run nothing when it is called is refused by name, as are arguments that cannot be read.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit, afterRollback, atomic, beforeCommit, resettable } from '../lib';
import { withMigrationLock } from '../lib/migrations';
import { emptyTables, resetHooks, workerDatabase } from '../lib/testing';
import { outcome } from './support/outcome';
import { makeKnex } from './support/quiet-knex';
import { useStage } from './support/stage';

/** What a call throws or rejects with. */
async function refusal(call: () => unknown): Promise<unknown> {
  return (await outcome((async () => call())())).error;
}

function revoked(target: object): never {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy as never;
}

describe('a function that runs nothing when it is called', () => {
  const stage = useStage();

  type Taker = (db: ReturnType<typeof stage.resettable>, given: never) => unknown;
  const takers: Record<string, Taker> = {
    'db.atomic': (db, given) => db.atomic(given),
    'atomic()': (db, given) => atomic(db, given),
    'trx.atomic': (db, given) => db.atomic((trx) => trx.atomic(given)),
    'a hook of a block': (db, given) => db.atomic(() => {}, { hooks: { afterCommit: given } }),
    'a hook of the instance': (_, given) => resettable(stage.knex(), { hooks: { onRetry: given } }),
    'retry.when': (db, given) => db.atomic(() => {}, { retry: { attempts: 2, when: given } }),
    isFatal: (_, given) => resettable(stage.knex(), { isFatal: given }),
    onLeak: (_, given) => resettable(stage.knex(), { onLeak: given }),
    'afterCommit() of an instance': (db, given) => afterCommit(db, given),
    'beforeCommit() of a transaction': (db, given) => db.transaction((trx) => beforeCommit(trx, given)),
    'afterRollback() of a block': (db, given) => db.atomic((trx) => afterRollback(trx, given)),
    'trx.afterCommit': (db, given) => db.atomic((trx) => trx.afterCommit(given)),
    'db.outside': (db, given) => db.outside(given),
    'db.sandbox': (db, given) => db.sandbox(given),
    'sandbox.run': async (db, given) => {
      const sandbox = await db.openSandbox({ pinned: false });
      return Promise.resolve(refusal(() => sandbox.run(given))).then(async (error) => {
        await sandbox.close();
        throw error;
      });
    },
    withMigrationLock: (db, given) => withMigrationLock(db, given),
    'resetHooks()': (_, given) => resetHooks(given),
    'prepare of workerDatabase()': (_, given) =>
      workerDatabase({ client: 'pg', connection: stage.database.connection }, { prepare: given, key: 'k' }),
  };

  for (const [name, take] of Object.entries(takers)) {
    it(`is refused by ${name}`, async () => {
      const db = stage.resettable();
      const useless = {
        'generator function': function* run() {
          yield 'never';
        },
        'generator function ': async function* run() {
          yield 'never';
        },
        class: class run {
          readonly it = 'never';
        },
      };
      for (const [kind, given] of Object.entries(useless)) {
        const error = await refusal(() => take(db, given as never));
        expect(error, kind).to.be.instanceOf(TypeError);
        expect((error as Error).message)
          .to.include('expected')
          .and.include(`but was given ${kind.trim()} run`);
      }
    });
  }
});

describe('an argument that cannot be read', () => {
  const stage = useStage();
  const calls: Record<string, (db: ReturnType<typeof stage.resettable>, given: never) => unknown> = {
    resettable: (_, given) => resettable(given),
    resetConnection: (db, given) => db.resetConnection(given),
    openSandbox: (db, given) => db.openSandbox(given),
    'atomic:': (db, given) => db.atomic(() => {}, given),
    'atomic: ': (_, given) => atomic(given, () => {}),
    'afterCommit()': (_, given) => afterCommit(given, () => {}),
    resetHooks: (_, given) => resetHooks(given),
    'resetHooks: ': (db, given) => resetHooks(db, given),
    emptyTables: (_, given) => emptyTables(given),
    'emptyTables: ': (db, given) => emptyTables(db, given),
    withMigrationLock: (_, given) => withMigrationLock(given, () => {}),
    workerDatabase: (_, given) => workerDatabase(given, { prepare: () => {} }),
    'workerDatabase: ': (_, given) =>
      workerDatabase({ client: given, connection: stage.database.connection }, { prepare: () => {}, key: 'k' }),
  };

  for (const [name, call] of Object.entries(calls)) {
    it(`is a TypeError that begins with ${name}`, async () => {
      const db = stage.resettable();
      const fail = () => {
        throw new Error('hunter2');
      };
      const handler = { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail };
      for (const given of [revoked({}), new Proxy({}, handler)]) {
        const error = (await refusal(() => call(db, given as never))) as Error;
        expect(error).to.be.instanceOf(TypeError);
        expect(error.message).to.satisfy((text: string) => text.startsWith(name.trim().replace(/:$/, '')));
        expect(error.message)
          .to.match(/expected|PostgreSQL only/)
          .and.not.include('hunter2');
      }
    });
  }
});

describe('a secret where the name of a client or a connection belongs', () => {
  const options = { prepare: () => {}, key: 'k' };
  const configs: Record<string, Knex.Config> = {
    client: { client: 'postgres://u:hunter2@h/d', connection: 'postgres://h/d' },
    connection: { client: 'pg', connection: 'hunter2' },
    'what a provider gives': { client: 'pg', connection: (() => 'hunter2') as never },
  };
  for (const [what, config] of Object.entries(configs)) {
    it(`is not in the error: ${what}`, async () => {
      const error = (await refusal(() => workerDatabase(config, options))) as Error;
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.include('a string').and.not.include('hunter2');
    });
  }

  it('is not read from a plain instance either', async () => {
    const plain = makeKnex({});
    expect((await refusal(() => resetHooks(plain as never))) as Error).to.be.instanceOf(TypeError);
    await plain.destroy();
  });
});
