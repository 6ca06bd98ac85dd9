// A connection as its server knows it: what is needed to stop or end it from outside.
import type { SessionEnd } from '../drivers/session-end';

export interface Session {
  readonly driver: SessionEnd<unknown> & { readonly isPostgres?: boolean };
  readonly raw: object;
  /** The server's id of it. */
  readonly backendId: number | undefined;
  /** How long it is known to be open. */
  readonly ageMillis: number;
}
