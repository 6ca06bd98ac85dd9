// What happens to the network and to the server at a moment of a schedule.
import type { Action, Hurt } from '../schedule/schedule';
import type { Link } from '../network/link';
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
  } else if (action.act === 'freeze') {
    server.journal.write(0, 'fault', `freeze for ${action.millis} ms`);
    for (const backend of server.backends.values()) backend.freeze(action.millis);
  } else if (action.act === 'unreachable') {
    server.journal.write(0, 'fault', `${action.how} for ${action.millis} ms`);
    server.beUnreachable(action.how, action.millis);
  }
}

export function hurtLink(link: Link, how: Hurt): void {
  switch (how) {
    case 'end':
      return link.end();
    case 'reset':
      return link.cut('client', 'server');
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
    case 'slow':
      link.slownessMillis = 40;
      return undefined;
  }
}
