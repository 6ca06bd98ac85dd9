// What happens to the network and to the server at a moment of a schedule.
import { hurtLink } from '../network/hurt';
import type { Action } from '../schedule/schedule';
import type { Stage } from './stage';

export function hurt({ server, network }: Stage, action: Action): void {
  if (action.act === 'hurt') {
    const { links } = network;
    const link = links[action.link % Math.max(1, links.length)];
    if (!link) return;
    server.journal.write(0, 'fault', `link ${link.number}: ${action.how}`);
    hurtLink(link, action.how);
  } else if (action.act === 'terminate') {
    const backends = [...server.backends.values()];
    backends[action.backend % Math.max(1, backends.length)]?.terminate(action.code);
  } else if (action.act === 'crash') {
    server.journal.write(0, 'fault', `crash, down for ${action.downMillis} ms`);
    server.crash(action.downMillis);
  } else if (action.act === 'demote') {
    server.journal.write(0, 'fault', `down for ${action.downMillis} ms, then a standby for ${action.millis} ms`);
    server.demote(action.downMillis, action.millis);
  } else if (action.act === 'freeze') {
    server.journal.write(0, 'fault', `freeze for ${action.millis} ms`);
    for (const backend of server.backends.values()) backend.freeze(action.millis);
  } else if (action.act === 'unreachable') {
    server.journal.write(0, 'fault', `${action.how} for ${action.millis} ms`);
    server.beUnreachable(action.how, action.millis);
  }
}
