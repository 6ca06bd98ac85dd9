// Any driver that is not known better: its connections are closed through knex, within a bound; nothing is known of what runs on them.
import type { Driver, Line } from './driver';

interface Closer {
  destroyRawConnection(connection: object): Promise<unknown>;
}

export function otherDriver(client: Closer, name: string): Driver<object> {
  const lines = new WeakMap<object, Line>();
  return {
    name,
    tap(connection, line) {
      lines.set(connection, line);
      return () => lines.delete(connection);
    },
    backendId: () => undefined,
    status: () => 'unknown',
    isGone: () => false,
    cancel: async () => true,
    end(connection) {
      const ended = () => lines.get(connection)?.ended();
      client.destroyRawConnection(connection).then(ended, ended);
    },
    cut: () => {},
    send: async () => {},
    saysRolledBack: () => false,
  };
}
