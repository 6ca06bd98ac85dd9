// Decides which code may send on a connection now. On an ordinary connection all code may, and the statement queue keeps the order; in a sandbox
// (savepoint-mutex.ts) queries and transactions that would have a connection each share one, and take turns.
import { shown } from '../words/describe';
import type { OpenTransaction } from '../words/types';
import { SandboxError } from '../words/errors';

/** The holder of a turn, or a request for one, as the error of a wait that was too long names it. */
export interface TurnHolder {
  describe(): TurnDescription;
}

/** A transaction, or what else has the turn: `the query "select 1"`, with the user's frames where it was asked. */
export type TurnDescription = OpenTransaction | { what: string; stack: string };

export interface Mutex {
  /** Others may use the connection between two statements of one transaction. */
  readonly isShared: boolean;
  /** Who has the turn, where turns are taken. */
  readonly holder: TurnHolder | undefined;
  /** How many wait for their turn, or for what else is not theirs alone. */
  readonly waiting: number;
  /** Counts something that waits until the promise is settled. */
  count<T>(wait: Promise<T>): Promise<T>;
  /**
   * Runs one statement of a transaction, when it is its turn.
   * @throws SandboxError where the turn did not come in time
   */
  run<T>(holder: TurnHolder, work: () => Promise<T>): Promise<T>;
  /** The same in two steps: resolves with what ends the turn. Undefined: nothing is to be waited for or ended. */
  take(holder: TurnHolder): Promise<() => void> | undefined;
  /** Nothing more may be sent: pending and later requests reject. */
  close(error: Error): void;
}

/** Of a connection with one user. */
export const NO_MUTEX: Mutex = {
  isShared: false,
  holder: undefined,
  waiting: 0,
  count: (wait) => wait,
  run: (_holder, work) => work(),
  take: () => undefined,
  close: () => {},
};

/** The error of a wait that was too long. `how` says what is in the way. */
export function turnRefused(waitMillis: number, how: string, inTheWay: TurnDescription): Error {
  const isTransaction = !('what' in inTheWay);
  const what = isTransaction ? `transaction ${shown(inTheWay.label ?? inTheWay.id)}` : inTheWay.what;
  const [where] = inTheWay.stack.split('\n');
  const opened = where ? `, opened ${where}` : '';
  const transaction = isTransaction ? inTheWay : undefined;
  return new SandboxError(`waited ${waitMillis} ms in the sandbox: ${how} ${what}${opened}`, { transaction });
}
