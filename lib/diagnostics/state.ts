// Describes what the instance holds at this moment.
import type { OpenEntry } from '../pool/open-entry';
import type { ResettablePool } from '../pool/resettable-pool';
import type { Resets } from '../pool/resets';
import type { ConnectionState } from '../words/types';

/** What it describes. */
export interface Observed {
  readonly pool: ResettablePool;
  readonly open: Iterable<OpenEntry>;
  readonly resets: Resets;
}

export function connectionState({ pool, open, resets }: Observed): ConnectionState {
  const connections = [...pool.register.connections].filter((connection) => connection.closing === undefined);
  const inUse = connections.filter((connection) => connection.lent).length;
  const transactions = [...open].filter((entry) => !entry.holdsNothing);
  const inSandboxes = connections.reduce((total, { mutex }) => total + mutex.waiting, 0);
  return {
    generation: resets.count,
    resetting: pool.queue.isGateClosed,
    connections: {
      idle: connections.length - inUse,
      inUse,
      opening: pool.openings.size,
      waiting: pool.waiting + inSandboxes,
    },
    transactions: transactions.map((entry) => entry.describe()),
  };
}
