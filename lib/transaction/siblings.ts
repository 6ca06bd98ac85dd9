// In a sandbox, transactions that would have a connection each run one after the other. None waits for another longer than Knex would
// have waited for a connection: the other one may be waiting for it.
import { turnRefused } from '../connection/mutex';
import { acquireTimeoutMillisOf } from '../knex/insides';
import { within } from '../words/waiting';
import type { ControlledTransaction } from './exit';
import type { Transaction } from './transaction';

/**
 * @param earlier resolves when those are over that were made before it
 * @param waiting gives the one that waits
 * @throws SandboxError where they are not over in time
 */
export async function waitForSiblings(
  parent: Transaction,
  earlier: Promise<unknown>,
  waiting: () => ControlledTransaction,
): Promise<void> {
  const acquireTimeoutMillis = acquireTimeoutMillisOf(parent.instance.client);
  const areOver = earlier.then(() => true);
  if (await parent.connection.mutex.count(within(acquireTimeoutMillis, areOver))) return;
  const transaction = waiting();
  const inTheWay = [...parent.children].find(
    (each) => each !== transaction && !each.isOver && each.state.is !== 'acquiring',
  );
  if (!inTheWay) return;
  const how = 'transactions run one after the other in it, and this one is not over:';
  const error = turnRefused(acquireTimeoutMillis, how, inTheWay.describe());
  // Knex does not go on with it.
  await transaction.ended({ error });
  throw error;
}
