// Who decides for one transaction of knex's what knex would decide by itself.
import type { Guard } from './guard';
import type { TransactionPort } from './transaction-port';

/** Decides at each step of one transaction (or savepoint) what knex would decide by itself. */
export interface TransactionController extends Guard {
  readonly port: TransactionPort;
  /** Only in name inside of its outer transaction, and not over because that one is. */
  readonly emulatesRoot: boolean;
  /** It is about to ask for a connection. Throws where it must not. */
  ask(): void;
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
