// The states of a transaction, and the moves between them: one table for transactions, savepoints and sandboxes.
import type { Recorded } from '../drivers/pg/commit-status';
import type { HookRegister } from './hooks';
import type { Failure } from '../words/failure';
import type { Outcome } from './outcome';

/** Each state with what is known in it and in no other. */
export type State =
  | { readonly is: 'acquiring' }
  | { readonly is: 'beginning' }
  | { readonly is: 'open' }
  | { readonly is: 'draining'; readonly value: unknown }
  | { readonly is: 'doomed'; readonly error: unknown }
  | {
      readonly is: 'committing';
      readonly value: unknown;
      readonly recorded?: Recorded | undefined;
      readonly cancelledFor?: (Failure & { hasCutWait(): boolean }) | undefined;
    }
  | { readonly is: 'rollingBack'; readonly error: unknown }
  | {
      readonly is: 'aborted';
      /** What its queries get. */
      readonly told: Error;
      /** What it ends with instead: what it was being rolled back for already, or else what its callback has thrown. */
      readonly failure?: Failure | undefined;
    }
  | { readonly is: 'inDoubt'; readonly error: Error; readonly value: unknown; readonly recorded: Recorded | undefined }
  | { readonly is: 'ended'; readonly outcome: Outcome }
  | {
      readonly is: 'released';
      readonly outcome: Outcome;
      readonly afterCommitError?: Error | undefined;
      /** Those that it had when it was rolled back. */
      readonly hooks?: HookRegister | undefined;
    };

export type StateName = State['is'];
export type StateOf<N extends StateName> = Extract<State, { is: N }>;

interface Row {
  means: string;
  to: readonly StateName[];
}

/** What each state means, and which may follow. */
export const STATES = {
  acquiring: { means: 'waits for a connection', to: ['beginning', 'doomed', 'aborted', 'ended'] },
  beginning: { means: 'its first statement is on its way', to: ['open', 'doomed', 'aborted', 'ended'] },
  open: { means: 'takes statements', to: ['draining', 'doomed', 'rollingBack', 'aborted', 'ended'] },
  draining: {
    means: 'its end was asked for: what runs inside is waited for, the beforeCommit hooks run',
    to: ['committing', 'doomed', 'rollingBack', 'aborted', 'ended'],
  },
  doomed: { means: 'refuses statements, and has still to be rolled back', to: ['rollingBack', 'aborted', 'ended'] },
  committing: {
    means: 'the statement that stores it is on its way',
    to: ['committing', 'rollingBack', 'inDoubt', 'ended'],
  },
  rollingBack: { means: 'the statement that undoes it is on its way', to: ['aborted', 'ended'] },
  aborted: { means: 'the connection was taken away: nothing can be sent, only settled', to: ['aborted', 'ended'] },
  inDoubt: { means: 'was to be committed, and no answer will come', to: ['ended'] },
  ended: { means: 'the outcome is known', to: ['released'] },
  released: { means: 'the connection is given back, the last hooks have run', to: [] },
} as const satisfies Record<StateName, Row>;

/** @throws Error for a move that is not in the table. */
export function checkMove(from: StateName, to: StateName): void {
  if (!(STATES[from] as Row).to.includes(to)) throw new Error(`a transaction cannot move from ${from} to ${to}`);
}

// The states that have no data are made once.
export const ACQUIRING: State = Object.freeze({ is: 'acquiring' });
export const BEGINNING: State = Object.freeze({ is: 'beginning' });
export const OPEN: State = Object.freeze({ is: 'open' });
