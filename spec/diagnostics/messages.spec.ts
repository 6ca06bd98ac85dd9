// What of users' texts stands in messages, and what one victim's error shares with another's.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { isFatal, type OpenTransaction, ResetError } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { emptyTables } from '../../lib/testing';
import { defer } from '../../lib/words/waiting';
import { failure, outcome } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

const FORGED = 'evil\n  forged-line, 5 ms, idle\u001b[31m';

describe('messages', () => {
  const stage = useStage();

  it('of a full pool keep a label with line breaks on its own line, and cut long SQL', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 }, acquireConnectionTimeout: 100 });
    await db.atomic(
      async (trx) => {
        await trx.raw(`select '${'x'.repeat(300_000)}'`);
        const { error } = await outcome(db.raw('select 1'));
        const { message } = error as Error;
        expect(message).to.have.length.below(2000);
        expect(message).not.to.include('\u001b');
        expect(message).not.to.match(/^ {2}forged-line/m);
      },
      { label: FORGED },
    );
  });

  it('of a full pool name the oldest twenty of many holders', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 22 }, acquireConnectionTimeout: 1500 });
    const label = (i: number) => `holder ${i}`;
    const asked = defer();
    const blocks: Promise<unknown>[] = [];
    // One after the other, so that the wait of each is that for one connection.
    for (let i = 0; i < 22; i++) {
      const begun = defer();
      blocks.push(db.atomic(() => (begun.resolve(), asked.promise), { label: label(i) }));
      await begun.promise;
    }
    const { message, holders } = (await failure(db.raw('select 1'))) as unknown as Error & { holders: unknown[] };
    asked.resolve();
    await Promise.all(blocks);
    expect(holders).to.have.lengthOf(22);
    expect(message.match(/^ {2}holder/gm)).to.have.lengthOf(20);
    expect(message).to.match(/\n {2}and 2 more$/);
  });

  it('of a reset, a limit and a refused statement are short and on one line', async () => {
    const db = stage.resettable();
    const label = FORGED + 'y'.repeat(300_000);
    const limited = await outcome(db.atomic((trx) => trx.raw('select pg_sleep(60)'), { label, timeoutMillis: 50 }));
    const ended = await outcome(db.atomic((trx) => trx.raw(`rollback /* ${label.slice(0, 100_000)} */`), { label }));
    const aborted = outcome(db.atomic((trx) => trx.raw('select pg_sleep(60)'), { label }));
    await stage.running('pg_sleep(60)');
    await db.resetConnection({ reason: FORGED });
    for (const { error } of [limited, ended, await aborted]) expectOneLine(error);
  });

  it('of a wait in a sandbox are short and on one line', async () => {
    const db = stage.resettable({ acquireConnectionTimeout: 1500 });
    const label = FORGED + 'y'.repeat(300_000);
    await db.sandbox(async () => {
      const begun = defer();
      const over = defer();
      const first = db.atomic(() => (begun.resolve(), over.promise), { label });
      await begun.promise;
      const { error } = await outcome(db.atomic(() => {}));
      over.resolve();
      await first;
      expectOneLine(error);
    });
  });

  it('of tables and schemas that are not there name a few, on one line', async () => {
    const db = stage.resettable();
    const names = Array.from({ length: 10_000 }, (_, i) => `${FORGED}${i}`);
    for (const given of [names, [FORGED + 'y'.repeat(300_000)]]) {
      expectOneLine((await outcome(emptyTables(db, { except: given }))).error);
      expectOneLine((await outcome(emptyTables(db, { schemas: given }))).error);
    }
  });

  it('of tables that refer to others are on one line', async () => {
    const db = stage.resettable();
    await db.raw(`create table "${FORGED}" (id int primary key);
      create table kept (id int constraint "${FORGED} fk" references "${FORGED}");
      insert into "${FORGED}" values (1); insert into kept values (1)`);
    expectOneLine((await outcome(emptyTables(db, { except: ['kept'] }))).error);
  });

  it('of a migration lock are short and on one line', async () => {
    const [one, other] = [stage.resettable(), stage.resettable()];
    const tableName = `${FORGED}y`;
    await withMigrationLock(
      one,
      async () => {
        const late = await outcome(withMigrationLock(other, () => {}, { tableName, waitMillis: 50 }));
        expectOneLine(late.error);
      },
      { tableName },
    );
  });
});

function expectOneLine(error: unknown): void {
  const { message } = error as Error;
  expect(message).to.be.a('string').with.length.below(1000);
  for (const control of ['\n', '\u001b']) expect(message).not.to.include(control);
}

describe('the victims of a reset', () => {
  const stage = useStage();

  it('have an error of their own each', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const handle = await db.transaction();
    const victims = [handle.executionPromise, db.raw('select 1'), db.raw('select 2')].map((victim) =>
      outcome(victim as PromiseLike<unknown>),
    );
    await handle.raw('select 1');
    await db.resetConnection();
    const errors = (await Promise.all(victims)).map(({ error }) => error);
    for (const error of errors) expect(error).to.be.an.instanceof(ResetError);
    expect(new Set(errors)).to.have.lengthOf(3);
  });

  it('leave nothing in knex’s log when they wait for a connection', async () => {
    const logged: string[] = [];
    const log = { warn: (line: string) => void logged.push(line), error() {}, debug() {}, deprecate() {} };
    const db = stage.resettable({ pool: { min: 0, max: 1 }, log } as Knex.Config);
    const handle = await db.transaction();
    void outcome(handle.executionPromise as Promise<unknown>);
    const waiter = outcome(db.raw('select 1'));
    await handle.raw('select 1');
    await db.resetConnection();
    expect((await waiter).error).to.be.an.instanceof(ResetError);
    expect(logged).to.deep.equal([]);
  });

  it('count a block that waits between two attempts', async () => {
    const db = stage.resettable();
    const failed = Object.assign(new Error('try again'), { code: '40001' });
    let attempts = 0;
    const block = outcome(
      db.atomic(
        () => {
          attempts++;
          throw failed;
        },
        { retry: { attempts: 2, minDelayMillis: 60_000, maxDelayMillis: 60_000 }, hooks: { onRetry: () => paused() } },
      ),
    );
    let paused: () => void = () => {};
    await new Promise<void>((resolve) => {
      paused = () => void setImmediate(resolve);
    });
    const report = await db.resetConnection();
    expect(report.rejectedWaiters).to.equal(1);
    expect((await block).error).to.be.an.instanceof(ResetError);
    expect(attempts).to.equal(1);
  });
});

describe("a user's isFatal", () => {
  const stage = useStage();

  it('is ignored when it is async, with a warning', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    const others = process.listeners('warning');
    process.removeAllListeners('warning').on('warning', listen);
    try {
      const db = stage.resettable({ pool: { max: 1 } }, { isFatal: (async () => true) as never });
      const pid = async () =>
        ((await db.raw('select pg_backend_pid() as pid')) as { rows: { pid: number }[] }).rows[0]!.pid;
      const before = await pid();
      await outcome(db.raw('select nothing'));
      expect(await pid()).to.equal(before);
      await new Promise(setImmediate);
      expect(warnings.map(String).join()).to.include('isFatal: expected it to return true or false');
    } finally {
      process.off('warning', listen);
      for (const other of others) process.on('warning', other);
    }
  });

  it('is called with mysql2’s error of a closed connection, whose standard verdict is fatal', () => {
    expect(isFatal(new Error("Can't add new command when connection is in closed state"))).to.be.true;
  });
});

describe('onLeak', () => {
  const stage = useStage();

  it('does not get a sandbox, which is open on purpose', async () => {
    const told: OpenTransaction[] = [];
    const db = stage.resettable(
      { pool: { min: 0, max: 2 } },
      { leakAfterMillis: 20, onLeak: (each) => void told.push(each) },
    );
    const sandbox = await db.openSandbox({ pinned: false });
    const leaked = await db.transaction();
    await until('the leaked transaction is told of', () => told.length > 0);
    expect(told.map(({ id }) => id)).to.deep.equal([db.connectionState().transactions.at(-1)?.id]);
    await leaked.rollback();
    await sandbox.close();
  });
});
