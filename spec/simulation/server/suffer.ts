// What a fault does to the backend that it meets, to its connection, or to the whole server.
import { hurtLink } from '../network/hurt';
import type { Effect } from './ambush';
import type { Backend } from './backend';
import { SqlError } from './sql-error';

export async function sufferEffect(effect: Effect, backend: Backend): Promise<void> {
  const { link, server } = backend;
  switch (effect.is) {
    case 'error':
      throw new SqlError(effect.code, 'simulated error');
    case 'fatal':
      throw new SqlError(effect.code, 'simulated fatal error', 'FATAL');
    case 'crash':
      server.crash(effect.downMillis);
      return backend.pause(0); // it is gone
    case 'freeze':
      backend.freeze(effect.millis);
      return backend.pause(0);
    case 'freeze server':
      for (const other of server.backends.values()) other.freeze(effect.millis);
      return backend.pause(0);
    case 'standby':
      backend.standbyMillis = effect.millis;
      return undefined;
    default:
      return hurtLink(link, effect.is);
  }
}
