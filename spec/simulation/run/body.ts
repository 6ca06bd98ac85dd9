// Performs the parts of a transaction's callback, and writes down what each of them is told.
import type { Knex } from 'knex';
import type { AtomicTransaction } from '../../../lib';
import type { BlockOptions, How, Part, Statement } from '../schedule/schedule';
import type { Asked, Attempt, Unit } from './ledger';
import { OwnError } from './own-error';
import { performReset } from './reset';
import { isWrite, sqlOf } from './sql-of';
import type { Stage } from './stage';
import { subject } from './subject';

const ignore = () => {};

export type Handle = Knex | Knex.Transaction | AtomicTransaction;
type Of<P extends Part['part']> = Extract<Part, { part: P }>;

/** Asks the statement; its promise settles as the asker is told. */
export async function ask(stage: Stage, handle: Handle, statement: Statement, attempt: Attempt): Promise<unknown> {
  let bindings: number[] = [];
  const asked: Asked = stage.ledger.statement(attempt, isWrite(statement), (token) => {
    const text = sqlOf(statement, token);
    bindings = text.bindings;
    return text.sql;
  });
  const query = handle.raw(asked.sql, bindings);
  return stage.ledger.watch(asked, Promise.resolve(query as PromiseLike<unknown>));
}

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
  const block = async (trx: Handle) => {
    await callback(trx);
    return value;
  };
  const asked =
    part.form === 'transaction'
      ? (handle as Knex).transaction(block)
      : subject.atomic(handle as Knex.Transaction, block, {
          ...blockOptions(stage, unit, part.options ?? {}),
          savepoint: part.form === 'block',
        });
  return stage.ledger.watch(unit, Promise.resolve(asked));
}

/** One attempt of a unit's callback. */
export function runCallback(stage: Stage, trx: Handle, body: Part[], unit: Unit): Promise<void> {
  return performBody(stage, trx, body, stage.ledger.attempt(unit));
}

export function blockOptions(stage: Stage, unit: Unit, options: BlockOptions): object {
  const given: Record<string, unknown> = { label: unit.name };
  if (options.timeoutMillis !== undefined) {
    unit.limitMillis = options.timeoutMillis;
    given.timeoutMillis = options.timeoutMillis;
  }
  if (options.attempts !== undefined) given.retry = retryOf(options.attempts, options.when);
  if (options.attempts !== undefined && options.when === 'always') unit.tries = options.attempts;
  if (options.verifyCommit) {
    unit.verifies = true;
    given.verifyCommit = true;
  }
  if (options.readOnly) given.readOnly = true;
  if (options.abortAfterMillis !== undefined) {
    const controller = new AbortController();
    unit.hasSignal = true;
    stage.clock.input(options.abortAfterMillis, () => controller.abort(new OwnError(`aborted ${unit.name}`)));
    given.signal = controller.signal;
  }
  return given;
}

function retryOf(attempts: number, when: BlockOptions['when']): object | number {
  if (when === undefined) return attempts;
  const decide = () => {
    if (when === 'throw') throw new OwnError('thrown in when');
    return when === 'always';
  };
  return { attempts, when: decide };
}

function registerHook(stage: Stage, handle: Handle, { hook, does }: Of<'hook'>, attempt: Attempt): void {
  const trx = handle as AtomicTransaction;
  if (typeof trx[hook] !== 'function') return;
  const number = stage.ledger.registered.length;
  trx[hook](async () => {
    stage.ledger.calls.push({ ...stage.ledger.now(), attempt, hook, number });
    if (does === 'throw') throw new OwnError(`thrown in ${hook} of ${attempt.unit.name}`);
    if (does === 'ask' && hook === 'beforeCommit') {
      await ask(stage, handle, { ask: 'insert', number: 0, hasBindings: false }, attempt);
    }
  });
  stage.ledger.registered.push({ attempt, hook, number });
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
