// What something between the two ends can do to a link.
import type { Link } from './link';

const hurts = {
  end: (link: Link) => link.end(),
  reset: (link: Link) => link.cut('client', 'server'),
  'reset the client': (link: Link) => link.cut('client'),
  'reset the server': (link: Link) => link.cut('server'),
  forget: (link: Link) => link.forget(),
  swallow: (link: Link) => link.swallow('client', 'server'),
  'swallow answers': (link: Link) => link.swallow('server'),
  'swallow requests': (link: Link) => link.swallow('client'),
  slow: (link: Link) => {
    link.slownessMillis = 40;
  },
} as const;

/** To the client, to the server or to both; packets may be answered by RST, lost or late. */
export type Hurt = keyof typeof hurts;

export const HURTS = Object.keys(hurts) as Hurt[];

export function hurtLink(link: Link, how: Hurt): void {
  hurts[how](link);
}
