// In whose hands a connection is, how it may pass from one to another, and by which counts it is outdated. What its borrower does is in lease.ts; whether it may be trusted, in health.ts.
import type { SharedWork } from '../words/shared-work';

/** The counts of resets and evictions when its opening started. One with older counts than its pool's is never lent again. */
export interface Stamp {
  readonly generation: number;
  readonly evictionCount: number;
}

/** How it was closed: in an orderly way, or terminated or cut. */
export type Ending = 'ended' | 'forced';

/** Each state with what is known in it and in no other. */
export type ConnectionState =
  | { readonly is: 'idle' }
  | { readonly is: 'lent' }
  | { readonly is: 'foreign' }
  | { readonly is: 'seized' }
  | {
      readonly is: 'closing';
      readonly work: SharedWork<Ending> /** By a reset, or since one came. */;
      readonly isSeized: boolean;
    }
  | { readonly is: 'closed'; readonly work: SharedWork<Ending>; readonly isSeized: boolean };

export type ConnectionStateName = ConnectionState['is'];

interface Row {
  means: string;
  to: readonly ConnectionStateName[];
}

/** What each state means, and which may follow. */
export const CONNECTION_STATES = {
  idle: { means: 'the pool has it', to: ['lent', 'foreign', 'seized', 'closing'] },
  lent: { means: 'its borrower has it', to: ['idle', 'seized', 'closing'] },
  foreign: { means: 'the user has it, who opened it: it is never lent', to: ['closing'] },
  seized: { means: 'a reset has it: what its borrower does with it does not count', to: ['idle', 'lent', 'closing'] },
  closing: { means: 'it is being closed', to: ['closing', 'closed'] },
  closed: { means: 'the server has let go of it, or does not answer', to: [] },
} as const satisfies Record<ConnectionStateName, Row>;

/** @throws Error for a move that is not in the table. */
export function checkMove(from: ConnectionStateName, to: ConnectionStateName): void {
  const { to: mayFollow }: Row = CONNECTION_STATES[from];
  if (!mayFollow.includes(to)) throw new Error(`a connection cannot move from ${from} to ${to}`);
}

// The states that have no data are made once.
export const IDLE: ConnectionState = Object.freeze({ is: 'idle' });
export const LENT: ConnectionState = Object.freeze({ is: 'lent' });
export const FOREIGN: ConnectionState = Object.freeze({ is: 'foreign' });
export const SEIZED: ConnectionState = Object.freeze({ is: 'seized' });
