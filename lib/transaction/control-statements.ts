// How the statements of a transaction are sent: knex's control statements and this package's own, each within its time.
import type { StepResult } from '../knex/transaction-port';
import { type Mutex, NO_MUTEX, type TurnHolder } from '../connection/mutex';
import { type Deadline, within } from '../words/waiting';
import type { Transaction } from './transaction';
import type { BlockLimit } from './transaction-details';

/** A timer may be so early. */
const EARLY_MILLIS = 1;

/**
 * How long a step of its end may take: what is left of its limit and of those around it, or the instance's time where there is none. Once
 * one of them is reached, all steps have the instance's time together, counted from then.
 */
export function stepMillis(transaction: Transaction): number {
  const { timeoutMillis } = transaction.instance.settings;
  const bounds = limitsOf(transaction).flatMap(({ leftMillis = 0, overMillis }) => [
    leftMillis > EARLY_MILLIS ? leftMillis : Number.POSITIVE_INFINITY,
    overMillis === undefined ? Number.POSITIVE_INFINITY : timeoutMillis - overMillis,
  ]);
  const bound = Math.min(...bounds);
  return bound === Number.POSITIVE_INFINITY ? timeoutMillis : Math.max(0, bound);
}

/** Of the block, and of those around it. */
function limitsOf({ block, parent }: Transaction): BlockLimit[] {
  const around = parent ? limitsOf(parent) : [];
  return block ? [block.limit, ...around] : around;
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

/** What runs on its connection may be stopped for it. In a sandbox other code may have the turn. */
export function hasTurn(transaction: Transaction): boolean {
  const { isShared, holder } = mutexOf(transaction);
  return !isShared || isHeldWithin(transaction, holder);
}

function isHeldWithin(transaction: Transaction, holder: TurnHolder | undefined): boolean {
  return holder === transaction || [...transaction.children].some((child) => isHeldWithin(child, holder));
}

/** Sends a control statement when it is its turn. Never rejects. */
export function sendControl(transaction: Transaction, send: () => Promise<StepResult>): Promise<StepResult> {
  const turn = mutexOf(transaction).take(transaction);
  return turn ? turn.then((end) => send().finally(end), refused) : send();
}

function refused(error: unknown): StepResult {
  return { isDone: false, error, result: undefined };
}

/**
 * The same for a step of a transaction's end, which has to be answered in time. Returns undefined on timeout: nothing more is sent on
 * the connection then. For a savepoint in a sandbox the clock starts when it has its turn, because other code may use the connection for long.
 */
export async function sendInTime(
  transaction: Transaction,
  deadline: Deadline,
  send: () => Promise<StepResult>,
): Promise<StepResult | undefined> {
  const turn = mutexOf(transaction).take(transaction);
  const sent = turn && transaction.parent ? inTurn(transaction, turn, send) : undefined;
  const answer = await (sent ??
    within(deadline.leftMillis, turn ? turn.then((end) => send().finally(end), refused) : send()));
  if (answer !== undefined) return answer;
  // Where it was a limit that gave it no more time, that ends the transaction, and says more.
  for (const limit of limitsOf(transaction)) limit.expire();
  if (!transaction.isOver) giveUp(transaction);
  return undefined;
}

async function inTurn(
  transaction: Transaction,
  turn: Promise<() => void>,
  send: () => Promise<StepResult>,
): Promise<StepResult | undefined> {
  let end: () => void;
  try {
    end = await turn;
  } catch (error) {
    return refused(error);
  }
  const time = stepMillis(transaction) || transaction.instance.settings.timeoutMillis;
  return within(time, send().finally(end));
}

/** A connection that does not answer is of no use: nothing more is sent on it. */
export function giveUp(transaction: Transaction): void {
  const { connection, name } = transaction;
  connection.doubt();
  if (connection.refusal !== undefined) return;
  connection.refuse(transaction.failure(`the end of transaction ${name} was not answered in time`, undefined));
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
async function counted({ work }: Transaction, turn: Promise<() => void>): Promise<() => void> {
  work.running++;
  try {
    const end = await turn;
    return () => {
      work.running--;
      end();
    };
  } catch (error) {
    work.running--;
    throw error;
  }
}
