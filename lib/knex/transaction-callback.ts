// A transaction's callback: its end is the transaction's.
import type { Knex } from 'knex';
import type { TransactionPort } from './transaction-port';
import type { Container } from './transaction-request';

/** Hears of the callback's end. */
interface Listener {
  readonly port: TransactionPort;
  returned(value: unknown): void;
  threw(error: unknown): void;
}

/** A transaction ends with its callback's promise, and stays open where there is none. It is not told so by hand. */
export function runCallback(container: Container, handle: Knex.Transaction, controller: Listener): void {
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
function replaced(end: () => unknown, controller: Listener): void {
  controller.port.isCallbackOver = true;
  new Promise((resolve) => resolve(end())).catch((error: unknown) => controller.threw(error));
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}
