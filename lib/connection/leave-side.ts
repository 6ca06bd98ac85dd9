// How a side connection is left: it says goodbye, and is cut where the server does not answer that soon.
import type { SideConnection } from '../drivers/side-connection';
import { bounded } from '../words/foreign';

/** How long it may take. */
export const GOODBYE_MILLIS = 100;

export async function leaveSide(side: SideConnection, limitMillis = GOODBYE_MILLIS): Promise<void> {
  await bounded(2 * GOODBYE_MILLIS, () => side.close(limitMillis));
}
