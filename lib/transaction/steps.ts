// How the statements of a transaction are sent: its own ones by way of knex, one step at a time, and the queries inside through a gate.
import type { KnexClient } from '../knex/insides';
import { keeperOf } from '../knex/gate';
import { markCompleted, type Send } from '../knex/transaction-class';
import { SET_SAVEPOINT, type Turns } from '../pool/turns';
import { within } from '../waiting';
import { publish } from './channel';
import type { Scope } from './scope';

export interface StepResult {
  isDone: boolean;
  error: unknown;
  /** Knex's query object, with the driver's answer in it. */
  result: unknown;
}

/** The scope whose queries go through a client, be it by way of a client derived from it. */
export function scopeOfClient(client: KnexClient): Scope | undefined {
  return keeperOf(client) as Scope | undefined;
}

/** BEGIN or SAVEPOINT. Rejects where it failed: knex would go on to the callback. */
export function begin(scope: Scope, send: Send): Promise<unknown> {
  const { refusal } = scope;
  if (refusal !== undefined) return Promise.resolve(begun(scope, { isDone: false, error: refusal, result: undefined }));
  return step(scope, beginsInOne(scope) ?? send).then((result) =>
    result.isDone && scope.doom !== undefined && scope.isSavepoint ? givenUp(scope) : begun(scope, result),
  );
}

/** A sandbox's BEGIN comes with the savepoint for its first query. */
function beginsInOne({ sandbox, session }: Scope): Send | undefined {
  return sandbox && session.driver.takesScripts ? () => session.sendAll(['BEGIN', SET_SAVEPOINT]) : undefined;
}

/** A limit was reached before the savepoint was there: the block in it will never run. */
async function givenUp(scope: Scope): Promise<unknown> {
  await sendOwn(scope, `RELEASE SAVEPOINT ${scope.id};`).catch(() => {});
  return begun(scope, { isDone: false, error: scope.doom, result: undefined });
}

function begun(scope: Scope, { isDone, error, result }: StepResult): unknown {
  if (!isDone) return notBegun(scope, error);
  const deferrable = scope.block?.options.deferrable;
  if (deferrable === undefined || scope.isSavepoint) return opened(scope, result);
  return sendOwn(scope, `SET TRANSACTION ${deferrable ? '' : 'NOT '}DEFERRABLE`).then(
    (answer) => opened(scope, answer),
    (failure: unknown) => notBegun(scope, failure),
  );
}

function opened(scope: Scope, result: unknown): unknown {
  scope.phase = 'open';
  scope.hasBegun = true;
  publish('begin', scope);
  return result;
}

function notBegun(scope: Scope, error: unknown): Promise<never> {
  scope.outcome = { kind: 'rolledBack', error: scope.root.doom ?? error };
  scope.phase = 'over';
  return Promise.reject(scope.outcome.error as Error);
}

/** Sends one of knex's control statements, and finds out what knex would have settled the transaction with. Never rejects. */
export function step(scope: Scope, send: Send): Promise<StepResult>;
/** @param timeoutMillis from its turn on; undefined after it. What it is answered later ends its turn. */
export function step(scope: Scope, send: Send, timeoutMillis: number): Promise<StepResult | undefined>;
export function step(scope: Scope, send: Send, timeoutMillis?: number): Promise<StepResult | undefined> {
  const { turns } = scope.session;
  const bounded = (sent: Promise<StepResult>) => (timeoutMillis === undefined ? sent : within(timeoutMillis, sent));
  if (!turns) return bounded(sendStep(scope, send));
  return turns.take().then(
    () => bounded(sendStep(scope, send).finally(() => turns.end())),
    (error: unknown) => ({ isDone: false, error, result: undefined }),
  );
}

function sendStep(scope: Scope, send: Send): Promise<StepResult> {
  const taken: NonNullable<Scope['step']> = { failure: undefined };
  scope.step = taken;
  // Knex marks a transaction as completed with the first try to end it; the second, after a failed one, must still be sent.
  markCompleted(scope.trx, false);
  scope.isStepping = true;
  let sent: Promise<unknown>;
  try {
    sent = send();
  } catch (error) {
    sent = Promise.reject(error as Error);
  }
  scope.isStepping = false;
  return sent.then(
    (result) => {
      scope.step = undefined;
      return { isDone: taken.failure === undefined, error: taken.failure?.error, result };
    },
    (error: unknown) => {
      scope.step = undefined;
      return { isDone: false, error, result: undefined };
    },
  );
}

/** Sends a statement of this package's own. */
export async function sendOwn({ session }: Scope, sql: string): Promise<unknown> {
  const { turns } = session;
  if (!turns) return session.send(sql);
  await turns.take();
  return session.send(sql).finally(() => turns.end());
}

/** In a sandbox: resolves when one statement of this transaction may be sent, with what says that it is answered. */
export async function takeTurn(scope: Scope, turns: Turns): Promise<() => void> {
  scope.running++;
  try {
    await turns.take();
  } catch (error) {
    scope.running--;
    throw error;
  }
  return () => {
    scope.running--;
    turns.end();
  };
}
