// Guards the calls to a driver: if its client throws, or code that a user has put around it, only that connection is lost.
import { valueOr } from '../words/foreign';
import type { TimeLimit } from '../words/waiting';
import type { Driver } from './driver';

/** The same driver, of which only `send()`, `resetSession()` and `carry()` fail, by a rejection. */
export function guarded<C>(driver: Driver<C>): Driver<C> {
  const { cancel, openSideConnection, isSameServer, losesDataOnClose, resetSession, wasRestarted } = driver;
  return {
    ...driver,
    backendId: (connection) => valueOr(undefined, () => driver.backendId(connection)),
    // One that cannot be asked is in doubt: it is not lent as it is.
    status: otherwise('failed', driver.status),
    isGone: otherwise(true, driver.isGone),
    closeGracefully: async (connection) => driver.closeGracefully(connection),
    destroySocket: (connection) => valueOr(undefined, () => driver.destroySocket(connection)),
    send: async (connection, sql) => driver.send(connection, sql),
    saysRolledBack: (result, sql) => valueOr(false, () => driver.saysRolledBack(result, sql)),
    ...(cancel && { cancel: (connection, limit) => cancelled(cancel, connection, limit) }),
    ...(openSideConnection && { openSideConnection: otherwise(undefined as never, openSideConnection) }),
    ...(isSameServer && { isSameServer: (one, other) => valueOr(false, () => isSameServer(one, other)) }),
    ...(losesDataOnClose && { losesDataOnClose: otherwise(false, losesDataOnClose) }),
    ...(resetSession && { resetSession: async (connection: C) => resetSession(connection) }),
    ...(wasRestarted && { wasRestarted: (result, sql) => valueOr(false, () => wasRestarted(result, sql)) }),
  };
}

function otherwise<A, T>(fallback: T, work: (given: A) => T): (given: A) => T {
  return (given) => {
    try {
      return work(given);
    } catch {
      return fallback;
    }
  };
}

async function cancelled<C>(
  cancel: NonNullable<Driver<C>['cancel']>,
  connection: C,
  limit: TimeLimit,
): Promise<boolean> {
  try {
    return await cancel(connection, limit);
  } catch {
    return false;
  }
}
