// Performs the actions of a schedule. Each is on its own: none waits for another, and none fails the run.
import type { Knex } from 'knex';
import type { Action, Part } from '../schedule/schedule';
import { ask } from './ask';
import { blockOptions } from './block-options';
import { performBody, runCallback } from './body';
import type { Ledger, Unit } from './ledger';
import { hurt } from './hurt';
import { OwnError } from './own-error';
import { performReset } from './reset';
import { isWrite, sqlOf } from './sql-of';
import type { Stage } from './stage';

type Of<A extends Action['act']> = Extract<Action, { act: A }>;

export async function act(stage: Stage, action: Action): Promise<void> {
  const { db, ledger, server, clock } = stage;
  switch (action.act) {
    case 'ask':
      return askAlone(stage, action);
    case 'block':
      return block(stage, action);
    case 'transaction':
      return action.form === 'handle' ? handle(stage, action) : transaction(stage, action);
    case 'stream':
      return stream(stage, action);
    case 'by hand':
      return byHand(stage, action);
    case 'sandbox':
      return sandbox(stage, action);
    case 'reset':
      return void (await performReset(stage, action.options, stage.on(action)));
    case 'callback':
      return callback(stage, action);
    case 'destroy': {
      const record: Ledger['destroys'][number] = { asked: ledger.now(), told: { is: 'nothing' } };
      ledger.destroys.push(record);
      return ledger.watch(record, db.destroy());
    }
    case 'initialize':
      return db.initialize();
    case 'ambush':
      return server.ambushes.lay(action.ambush);
    case 'stall':
      ledger.stalls.push({ ...ledger.now(), millis: action.millis });
      return clock.block(action.millis);
    default:
      return hurt(stage, action);
  }
}

async function askAlone(stage: Stage, action: Of<'ask'>): Promise<void> {
  const unit = stage.ledger.unit('statement');
  const attempt = stage.ledger.attempt(unit);
  await stage.ledger.watch(unit, ask(stage, stage.on(action), action.statement, attempt));
}

async function block(stage: Stage, action: Of<'block'>): Promise<void> {
  const unit = stage.ledger.unit('block');
  const { options, onCallback } = blockOptions(stage, unit, action.options);
  const work = stage.on(action).atomic(async (trx) => {
    onCallback('callback');
    await runCallback(stage, trx, action.body, unit);
    onCallback('returned');
    return unit.name;
  }, options);
  await stage.ledger.watch(unit, work);
}

async function transaction(stage: Stage, action: Of<'transaction'>): Promise<void> {
  const unit = stage.ledger.unit('transaction');
  const work = stage.on(action).transaction(async (trx) => {
    await runCallback(stage, trx, action.body, unit);
    if (action.end === 'rollback') await giveUp(unit, trx);
    return unit.name;
  });
  await stage.ledger.watch(unit, work);
}

async function giveUp(unit: Unit, trx: Knex.Transaction): Promise<void> {
  unit.attempts.at(-1)!.isGivenUp = true;
  await trx.rollback(new Error('given up'));
}

/** A handle that the caller ends, or leaves. What it was told is what `commit()` said. */
async function handle(stage: Stage, action: Of<'transaction'>): Promise<void> {
  const { ledger } = stage;
  const { body, end } = action;
  const unit = ledger.unit('handle');
  const trx = await ledger.watch(unit, stage.on(action).transaction());
  unit.told = { is: 'nothing' };
  const attempt = ledger.attempt(unit);
  trx.executionPromise.catch(() => {});
  const work = async () => {
    await performBody(stage, trx, body, attempt).catch(async (error: unknown) => {
      await trx.rollback();
      throw error;
    });
    if (end === 'commit') await trx.commit();
    if (end === 'rollback') await giveUp(unit, trx);
    if (end === 'leave') {
      attempt.isGivenUp = true;
      await stage.released;
    }
    return unit.name;
  };
  await ledger.watch(unit, work());
}

async function stream(stage: Stage, { rows, read, onCopy }: Of<'stream'>): Promise<void> {
  const unit = stage.ledger.unit('stream');
  const attempt = stage.ledger.attempt(unit);
  const parts: Part[] = [{ part: 'stream', rows, read }];
  await stage.ledger.watch(unit, performBody(stage, stage.on({ onCopy }), parts, attempt));
}

/** A connection taken from the pool: its statements go past knex's queries. */
async function byHand(stage: Stage, { statements, pauseMillis, gives }: Of<'by hand'>): Promise<void> {
  const { ledger, db, clock, schedule } = stage;
  const unit = ledger.unit('by hand');
  const attempt = ledger.attempt(unit);
  const work = async () => {
    const connection: unknown = await db.client.acquireConnection();
    try {
      for (const statement of statements) {
        const on = { raw: (sql: string, bindings: number[]) => db.raw(sql, bindings).connection(connection as never) };
        const asked = ask(stage, on as unknown as Knex, statement, attempt);
        // It is given back while the last one runs.
        if (gives === 'early' && statement === statements.at(-1)) {
          asked.catch(() => {});
          // A connection that goes back to its owner before that is the owner's, whatever is sent on it then.
          if (schedule.setting.owner) await clock.wait(0);
          break;
        }
        await asked;
        await clock.wait(pauseMillis);
      }
    } finally {
      if (gives === 'nothing') await stage.released;
      await db.client.releaseConnection(connection);
    }
  };
  await ledger.watch(unit, work());
}

/** A query of the driver's own, with a Node callback. What that throws is the process's business. */
async function callback(stage: Stage, { statement, throws }: Of<'callback'>): Promise<void> {
  const { ledger, db } = stage;
  const unit = ledger.unit('by hand');
  const attempt = ledger.attempt(unit);
  const work = async () => {
    const connection = (await db.client.acquireConnection()) as Raw;
    const asked = ledger.statement(
      attempt,
      isWrite(statement),
      (token) => sqlOf({ ...statement, hasBindings: false }, token).sql,
    );
    const answered = new Promise<unknown>((resolve, reject) => {
      connection.query(asked.sql, (error, result) => {
        if (error) reject(error);
        else resolve(result);
        if (throws) throw new OwnError('thrown in a callback');
      });
    });
    await ledger.watch(asked, answered).finally(() => db.client.releaseConnection(connection));
  };
  await ledger.watch(unit, work());
}

interface Raw {
  query(sql: string, done: (error: Error | null, result: unknown) => void): void;
}

/** What runs in a sandbox is undone. */
async function sandbox(stage: Stage, action: Of<'sandbox'>): Promise<void> {
  const { ledger } = stage;
  const { form, body } = action;
  const db = stage.on(action);
  const unit = ledger.unit('sandbox');
  const attempt = ledger.attempt(unit);
  const work = async () => {
    if (form === 'body') return db.sandbox(() => performBody(stage, db, body, attempt));
    const pin: Ledger['pins'][number] = { asked: ledger.now() };
    if (form === 'open') ledger.pins.push(pin);
    const opened = await db.openSandbox({ pinned: form === 'open' });
    pin.opened = ledger.now();
    try {
      await opened.run(() => performBody(stage, db, body, attempt));
    } finally {
      pin.closing = ledger.now();
      await opened.close();
      pin.closed = ledger.now();
    }
  };
  await ledger.watch(unit, work());
}
