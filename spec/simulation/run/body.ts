// Performs the parts of a transaction's callback, and writes down what each of them is told.
import type { Knex } from 'knex';
import { ask, type Handle } from './ask';
import { blockOptions } from './block-options';
import { registerHook } from './register-hook';
import type { How, Part, Statement } from '../schedule/schedule';
import type { Attempt, Unit } from './ledger';
import { OwnError } from './own-error';
import { performReset } from './reset';
import { sqlOf } from './sql-of';
import type { Stage } from './stage';
import { subject } from './subject';

const ignore = () => {};

type Of<P extends Part['part']> = Extract<Part, { part: P }>;

/** Runs the callback's parts in order, and records how they end. */
export async function performBody(stage: Stage, handle: Handle, body: Part[], attempt: Attempt): Promise<void> {
  try {
    for (const part of body) await perform(stage, handle, part, attempt);
    attempt.ended = stage.ledger.now();
  } catch (error) {
    attempt.ended = { ...stage.ledger.now(), threw: { error } };
    throw error;
  }
}

async function perform(stage: Stage, handle: Handle, part: Part, attempt: Attempt): Promise<void> {
  switch (part.part) {
    case 'ask':
      return settleAs(part.how, ask(stage, handle, part.statement, attempt));
    case 'nest':
      return settleAs(part.how, nest(stage, handle, part, attempt));
    case 'together':
      await Promise.all(part.parts.map((inner) => perform(stage, handle, inner, attempt)));
      return undefined;
    case 'pause':
      return stage.clock.wait(part.millis);
    case 'throw':
      throw new OwnError(`thrown in ${attempt.unit.name}`);
    case 'hang':
      return stage.released;
    case 'raw':
      attempt.rawControl ??= stage.ledger.now();
      return Promise.resolve(handle.raw(part.sql)).then(ignore);
    case 'control':
      return settleAs(part.how, control(handle as Knex.Transaction, part.call, attempt));
    case 'hook':
      return registerHook(stage, handle, part, attempt);
    case 'stream':
      return readStream(stage, handle, part, attempt);
    case 'outside':
      return settleAs(part.how, askOutside(stage, part.statement));
    case 'sandbox':
      return nestSandbox(stage, part.body, attempt);
    case 'reset':
      return performReset(stage, part.options).then(ignore);
  }
}

function askOutside(stage: Stage, statement: Statement): Promise<unknown> {
  const { ledger, db } = stage;
  const unit = ledger.unit('statement');
  unit.isOutside = true;
  const attempt = ledger.attempt(unit);
  return ledger.watch(
    unit,
    db.outside(() => ask(stage, db, statement, attempt)),
  );
}

function nestSandbox(stage: Stage, body: Part[], around: Attempt): Promise<void> {
  const { ledger, db } = stage;
  const unit = ledger.unit('sandbox', around);
  const attempt = ledger.attempt(unit);
  return ledger.watch(
    unit,
    db.sandbox(() => performBody(stage, db, body, attempt)),
  );
}

/** What is not awaited is not the callback's business. */
async function settleAs(how: How, promise: Promise<unknown>): Promise<void> {
  if (how === 'await') await promise;
  else if (how === 'swallow') await promise.catch(ignore);
  else promise.catch(ignore);
}

async function control(trx: Knex.Transaction, call: 'commit' | 'rollback', attempt: Attempt): Promise<void> {
  if (call === 'rollback') attempt.isGivenUp = true;
  await (call === 'commit' ? trx.commit() : trx.rollback());
}

/** A transaction inside another: a savepoint, or a block that joins. */
export function nest(stage: Stage, handle: Handle, part: Of<'nest'>, attempt: Attempt): Promise<unknown> {
  const unit = stage.ledger.unit(part.form, attempt);
  const callback = (trx: Handle) => runCallback(stage, trx, part.body, unit);
  const value = unit.name;
  const { options, onCallback } = blockOptions(stage, unit, part.options ?? {});
  const block = async (trx: Handle) => {
    onCallback('callback');
    await callback(trx);
    onCallback('returned');
    return value;
  };
  const asked =
    part.form === 'transaction'
      ? (handle as Knex).transaction(block)
      : subject.atomic(handle as Knex.Transaction, block, {
          ...options,
          savepoint: part.form === 'block',
        });
  return stage.ledger.watch(unit, Promise.resolve(asked));
}

/** One attempt of a unit's callback. */
export function runCallback(stage: Stage, trx: Handle, body: Part[], unit: Unit): Promise<void> {
  return performBody(stage, trx, body, stage.ledger.attempt(unit));
}

/** Reads so many rows of a stream, then destroys it, unless it is at its end. */
async function readStream(stage: Stage, handle: Handle, { rows, read }: Of<'stream'>, attempt: Attempt): Promise<void> {
  const statement: Statement = { ask: 'series', number: rows, hasBindings: false };
  const asked = stage.ledger.statement(attempt, false, (token) => sqlOf(statement, token).sql);
  const work = async () => {
    let count = 0;
    const stream = handle.raw(asked.sql).stream() as unknown as AsyncIterable<unknown>;
    for await (const _ of stream) {
      count += 1;
      if (count === read) break;
    }
    return count;
  };
  await stage.ledger.watch(asked, work());
}
