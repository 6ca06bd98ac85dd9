// What a sandbox and the transaction that it holds open know of each other.
import type { CallSite } from '../words/call-site';
import type { OpenTransaction } from '../words/types';
import { SandboxError } from '../words/errors';
import type { EnclosingTransaction } from './ambient';

/** A transaction that is held open by this package itself, for a sandbox: only ever rolled back. */
export interface SandboxTransaction {
  /** What the queries inside run in. */
  readonly enclosing: EnclosingTransaction;
  /** Why it refuses queries, if it does. */
  readonly doom: unknown;
  /** Something of it runs, or waits for its turn. */
  readonly isBusy: boolean;
  /** Holds a savepoint open inside it, for a sandbox of its own. */
  nest(holder: SandboxOwner, stack: CallSite): Promise<SandboxTransaction>;
  /** The user's transactions inside that are open or about to be. */
  describeInside(): OpenTransaction[];
  /**
   * Rolls everything back, having cancelled what runs.
   * @param constraintCheck sent before, while nothing runs; what it fails of is returned
   */
  letGo(constraintCheck: string | undefined): Promise<unknown>;
}

/** What a held transaction tells of. */
export interface SandboxOwner {
  /** The queries of the instance that are in it or wait for their turn. */
  readonly guests: Set<Guest>;
  /** What COMMIT would refuse is refused where a transaction of the app's commits. */
  readonly checksConstraints: boolean;
  /** A statement has ended it behind its back. Returns what later ones are refused with. */
  escaped(sql: string): Error;
  /** It has ended. Returns the error that refuses later queries. */
  closed(): Error;
}

/** A query of the instance, or a connection taken by hand, that is in a sandbox or waits for its turn there. */
export interface Guest {
  /** The query's text; undefined for a connection taken by hand. */
  readonly sql: string | undefined;
  /** The user's frames where it was asked. */
  readonly stack: string;
}

const ends = new WeakMap<object, SandboxOwner>();

/** What is asked of a sandbox that has ended is refused with this. */
export function refusalOf(owner: SandboxOwner): Error {
  const error = owner.closed();
  ends.set(error, owner);
  return error;
}

/** What a sandbox's end cuts off fails of this. `what` ran. */
export function cutOffBy(owner: SandboxOwner, what: string): Error {
  const error = new SandboxError(`the sandbox was closed while ${what}`);
  ends.set(error, owner);
  return error;
}

/** The sandbox whose end is why this error refuses something. */
export function endedSandbox(error: object): SandboxOwner | undefined {
  return ends.get(error);
}
