// What the instance holds at this moment.
import type { Instance } from '../pool/instance';
import type { ConnectionState } from '../types';

export function connectionState({ pool, open, resets }: Instance): ConnectionState {
  const sessions = [...pool.sessions].filter((session) => session.closing === undefined);
  const inUse = sessions.filter((session) => session.lent).length;
  return {
    generation: resets,
    resetting: pool.isResetting,
    connections: { idle: sessions.length - inUse, inUse, opening: pool.openings.size, waiting: pool.waiting },
    transactions: [...open].filter((entry) => !entry.isOver).map((entry) => entry.describe()),
  };
}
