// Describes what the instance holds at this moment.
import type { Instance } from '../pool/instance';
import type { ConnectionState } from '../words/types';

export function connectionState({ pool, open, resets }: Instance): ConnectionState {
  const connections = [...pool.register.connections].filter((connection) => connection.closing === undefined);
  const inUse = connections.filter((connection) => connection.lent).length;
  const transactions = [...open].filter((entry) => !entry.isOver);
  const inSandboxes = connections.reduce((total, { mutex }) => total + mutex.waiting, 0);
  return {
    generation: resets,
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
