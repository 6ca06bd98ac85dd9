// What is needed to reach sessions of a server from outside, and how the side connection is left.
import type { SessionEnd } from '../drivers/session-end';
import type { SideConnection } from '../drivers/side-connection';
import { bounded } from '../words/foreign';

/** A connection as its server knows it. */
export interface Session {
  readonly driver: SessionEnd<unknown> & { readonly isPostgres?: boolean };
  readonly raw: object;
  /** The server's id of it. */
  readonly backendId: number | undefined;
  /** How long it is known to be open. */
  readonly ageMillis: number;
}

/** How long its goodbye may take. */
export const GOODBYE_MILLIS = 100;

/** Says goodbye, and cuts it where the server does not answer that soon. */
export async function leaveSide(side: SideConnection, limitMillis = GOODBYE_MILLIS): Promise<void> {
  await bounded(2 * GOODBYE_MILLIS, () => side.close(limitMillis));
}
