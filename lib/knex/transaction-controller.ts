// Who decides for one transaction of knex's what knex would decide by itself.
import type { Knex } from 'knex';
import type { Guard } from './guard';
import type { TransactionPort } from './transaction-port';
import type { Container } from './transaction-request';

/** Decides at each step of one transaction (or savepoint) what knex would decide by itself. */
export interface TransactionController extends Guard {
  readonly port: TransactionPort;
  /** Only in name inside of its outer transaction, and not over because that one is. */
  readonly emulatesRoot: boolean;
  /**
   * It is about to ask for a connection, or to use the one that it was given. Throws where it must not.
   * @returns what it has to wait for, if anything
   */
  ask(given?: object): Promise<void> | undefined;
  /** It has a connection, which nothing was sent on yet. */
  acquired(connection: object, usesCallersConnection?: boolean): void;
  /** BEGIN or SAVEPOINT. The callback is called once it has resolved. */
  begin(): Promise<unknown>;
  /** The callback's promise has resolved. Never rejects. */
  returned(value: unknown): void;
  /** The callback has thrown, or its promise has rejected. Never rejects. */
  threw(error: unknown): void;
  /** COMMIT or RELEASE, asked for by hand. */
  commit(value: unknown): Promise<unknown>;
  /** ROLLBACK or ROLLBACK TO, asked for by hand. */
  rollback(error: unknown): Promise<unknown>;
  isCompleted(): boolean;
  /** It needs its connection no more. */
  giveBack(connection: object): void;
  /**
   * Everything is over. Returns what comes out of the transaction, or a promise of it; rejects where it failed.
   * @param failure what went wrong, which is all there is to say where it never had a connection
   */
  ended(failure: { error: unknown } | undefined): unknown;
}

export const CONTROLLER = Symbol('knex-reset.controller');

interface Controlled {
  [CONTROLLER]: TransactionController;
}

/** Gives a transaction its controller, before its first step. */
export function control(trx: object, controller: TransactionController): void {
  (trx as Partial<Controlled>)[CONTROLLER] = controller;
}

export function controllerOf(trx: object | null | undefined): TransactionController | undefined {
  return (trx as Partial<Controlled> | null | undefined)?.[CONTROLLER];
}

/** A transaction ends with its callback's promise, and stays open where there is none. It is not told so by hand. */
export function runCallback(container: Container, handle: Knex.Transaction, controller: TransactionController): void {
  const { commit, rollback } = handle;
  let result: unknown;
  try {
    result = container(handle);
  } catch (error) {
    controller.threw(error);
    return;
  }
  if (!isThenable(result)) return;
  const isUntouched = () => handle.commit === commit && handle.rollback === rollback;
  result.then(
    (value) => (isUntouched() ? controller.returned(value) : replaced(() => handle.commit(value), controller)),
    (error: unknown) => (isUntouched() ? controller.threw(error) : replaced(() => handle.rollback(error), controller)),
  );
}

/** The user has put functions of his own in the place of the handle's: they are called as knex calls them. */
function replaced(end: () => unknown, controller: TransactionController): void {
  controller.port.isCallbackOver = true;
  new Promise((resolve) => resolve(end())).catch((error: unknown) => controller.threw(error));
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}
