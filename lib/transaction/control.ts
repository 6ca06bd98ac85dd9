// How the statements of a transaction are sent: its own ones by way of knex, one step at a time, and the queries inside through a gate.
import type { KnexClient } from '../knex/insides';
import { guardOf } from '../knex/guard';
import { markCompleted, type Send } from '../knex/transaction-class';
import { type Mutex, NO_MUTEX } from '../connection/mutex';
import { SET_SAVEPOINT } from '../connection/savepoint-mutex';
import { within } from '../words/waiting';
import { publish } from './channel';
import type { Transaction } from './transaction';

export interface StepResult {
  isDone: boolean;
  error: unknown;
  /** Knex's query object, with the driver's answer in it. */
  result: unknown;
}

/** The scope whose queries go through a client, be it by way of a client derived from it. */
export function transactionOfClient(client: KnexClient): Transaction | undefined {
  return guardOf(client) as Transaction | undefined;
}

const borrowers = new WeakSet<Transaction>();

/** What holds the turn on a sandbox's connection has begun this transaction on it, and waits for it: its statements take no turns. */
export function borrowTurn(transaction: Transaction): void {
  borrowers.add(transaction);
}

/** Decides which code may send, and when. */
export function mutexOf(transaction: Transaction): Mutex {
  const { mutex } = transaction.connection;
  if (!mutex.isShared) return mutex;
  for (let each: Transaction | undefined = transaction; each; each = each.parent)
    if (borrowers.has(each)) return NO_MUTEX;
  return mutex;
}

/** BEGIN or SAVEPOINT. Rejects where it failed: knex would go on to the callback. */
export function begin(transaction: Transaction, send: Send): Promise<unknown> {
  const { refusal } = transaction;
  if (refusal !== undefined)
    return Promise.resolve(begun(transaction, { isDone: false, error: refusal, result: undefined }));
  return sendControl(transaction, beginsInOne(transaction) ?? send).then((result) =>
    result.isDone && transaction.doom !== undefined && transaction.isSavepoint
      ? givenUp(transaction)
      : begun(transaction, result),
  );
}

/** A sandbox's BEGIN comes with the savepoint for its first query. */
function beginsInOne({ sandbox, isSavepoint, connection }: Transaction): Send | undefined {
  return sandbox && !isSavepoint && connection.driver.takesScripts
    ? () => connection.sendAll(['BEGIN', SET_SAVEPOINT])
    : undefined;
}

/** A limit was reached before the savepoint was there: the block in it will never run. */
async function givenUp(transaction: Transaction): Promise<unknown> {
  await sendInternal(transaction, `RELEASE SAVEPOINT ${transaction.id};`).catch(() => {});
  return begun(transaction, { isDone: false, error: transaction.doom, result: undefined });
}

function begun(transaction: Transaction, { isDone, error, result }: StepResult): unknown {
  if (!isDone) return notBegun(transaction, error);
  const deferrable = transaction.block?.options.deferrable;
  if (deferrable === undefined || transaction.isSavepoint) return opened(transaction, result);
  return sendInternal(transaction, `SET TRANSACTION ${deferrable ? '' : 'NOT '}DEFERRABLE`).then(
    (answer) => opened(transaction, answer),
    (failure: unknown) => notBegun(transaction, failure),
  );
}

function opened(transaction: Transaction, result: unknown): unknown {
  transaction.phase = 'open';
  transaction.hasBegun = true;
  publish('begin', transaction);
  return result;
}

function notBegun(transaction: Transaction, error: unknown): Promise<never> {
  transaction.outcome = { kind: 'rolledBack', error: transaction.root.doom ?? error };
  transaction.phase = 'over';
  return Promise.reject(transaction.outcome.error as Error);
}

/** Sends one of knex's control statements, and finds out what knex would have settled the transaction with. Never rejects. */
export function sendControl(transaction: Transaction, send: Send): Promise<StepResult>;
/** @param timeoutMillis from its turn on; undefined after it. What it is answered later ends its turn. */
export function sendControl(
  transaction: Transaction,
  send: Send,
  timeoutMillis: number,
): Promise<StepResult | undefined>;
export function sendControl(
  transaction: Transaction,
  send: Send,
  timeoutMillis?: number,
): Promise<StepResult | undefined> {
  const turn = mutexOf(transaction).take(transaction);
  const bounded = (sent: Promise<StepResult>) => (timeoutMillis === undefined ? sent : within(timeoutMillis, sent));
  if (!turn) return bounded(sendStep(transaction, send));
  return turn.then(
    (end) => bounded(sendStep(transaction, send).finally(end)),
    (error: unknown) => ({ isDone: false, error, result: undefined }),
  );
}

function sendStep(transaction: Transaction, send: Send): Promise<StepResult> {
  const taken: NonNullable<Transaction['step']> = { failure: undefined };
  transaction.step = taken;
  // Knex marks a transaction as completed with the first try to end it; the second, after a failed one, must still be sent.
  markCompleted(transaction.trx, false);
  transaction.isStepping = true;
  let sent: Promise<unknown>;
  try {
    sent = send();
  } catch (error) {
    sent = Promise.reject(error as Error);
  }
  transaction.isStepping = false;
  return sent.then(
    (result) => {
      transaction.step = undefined;
      return { isDone: taken.failure === undefined, error: taken.failure?.error, result };
    },
    (error: unknown) => {
      transaction.step = undefined;
      return { isDone: false, error, result: undefined };
    },
  );
}

/** Sends a statement of this package's own. */
export function sendInternal(transaction: Transaction, sql: string): Promise<unknown> {
  return mutexOf(transaction).run(transaction, () => transaction.connection.send(sql));
}

/** Resolves when one statement of this transaction may be sent, with what says that it is answered. Undefined: at once. */
export function takeTurn(transaction: Transaction): Promise<() => void> | undefined {
  const turn = mutexOf(transaction).take(transaction);
  return turn && counted(transaction, turn);
}

/** Counts a statement that waits for its turn or has it. */
async function counted(transaction: Transaction, turn: Promise<() => void>): Promise<() => void> {
  transaction.running++;
  try {
    const end = await turn;
    return () => {
      transaction.running--;
      end();
    };
  } catch (error) {
    transaction.running--;
    throw error;
  }
}
