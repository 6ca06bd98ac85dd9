// What a fault does to the backend that it meets, to its connection, or to the whole server.
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
    case 'reset':
      return link.cut('client', 'server');
    case 'end':
      return link.end();
    case 'reset the client':
      return link.cut('client');
    case 'reset the server':
      return link.cut('server');
    case 'forget':
      return link.forget();
    case 'swallow':
      return link.swallow('client', 'server');
    case 'swallow answers':
      return link.swallow('server');
    case 'swallow requests':
      return link.swallow('client');
    case 'crash':
      server.crash(effect.downMillis);
      return backend.pause(0); // it is gone
    case 'freeze':
      backend.freeze(effect.millis);
      return backend.pause(0);
    case 'freeze server':
      for (const other of server.backends.values()) other.freeze(effect.millis);
      return backend.pause(0);
    case 'slow':
      backend.standbyMillis = effect.millis;
      return undefined;
  }
}
