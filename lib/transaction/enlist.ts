// Queries that were asked of the instance itself and run inside a transaction: by `ambient`, or in a sandbox, where each takes its turn.
import { captureCallSite, type QueryOrigin, userFrames } from '../words/call-site';
import type { TurnDescription, TurnHolder } from '../connection/mutex';
import { SavepointMutex } from '../connection/savepoint-mutex';
import { sqlOf } from '../knex/builders';
import type { Guest } from '../pool/sandboxes';
import { inBackground } from '../words/foreign';
import type { Enclosing } from './enclosing';

/** Resolves with the connection when it is the query's turn; the pool says when it is done. */
export async function enlist(transaction: Enclosing, asked: QueryOrigin | undefined): Promise<object> {
  refuseIfOver(transaction);
  const { connection } = transaction;
  const { mutex } = connection;
  if (mutex instanceof SavepointMutex) return enlistInSandbox(transaction, mutex, new SandboxGuest(asked));
  connection.lease.guests.push(transaction.work.enter());
  return connection.raw;
}

async function enlistInSandbox(transaction: Enclosing, mutex: SavepointMutex, guest: SandboxGuest): Promise<object> {
  const { connection } = transaction;
  const guests = guestsOf(transaction);
  guests?.add(guest);
  const leaveScope = transaction.work.enter();
  try {
    // The sandbox may be closed while it waits, which would have to wait for the query.
    await mutex.takeForQuery(guest, () => refuseIfOver(transaction));
  } catch (error) {
    guests?.delete(guest);
    leaveScope();
    throw error;
  }
  connection.lease.guests.push(() => {
    // Its caller has the answer. What remains concerns the savepoint only.
    guests?.delete(guest);
    const ending = mutex.endQuery();
    if (ending) inBackground(ending.finally(leaveScope));
    else leaveScope();
  });
  return connection.raw;
}

/** Those of the innermost sandbox around it. */
function guestsOf(transaction: Enclosing): Set<Guest> | undefined {
  for (let each: Enclosing | undefined = transaction; each; each = each.parent)
    if (each.sandbox) return each.sandbox.guests;
  return undefined;
}

class SandboxGuest implements Guest, TurnHolder {
  readonly #asked: QueryOrigin;

  constructor(asked: QueryOrigin | undefined) {
    // Where a connection was taken by hand is not recorded; it is still on the stack.
    this.#asked = asked ?? captureCallSite(enlist);
  }

  get sql(): string | undefined {
    const { builder } = this.#asked;
    return builder && sqlOf(builder);
  }

  get stack(): string {
    return userFrames(this.#asked);
  }

  describe(): TurnDescription {
    const { sql, stack } = this;
    return { what: sql === undefined ? 'code that took it by hand' : `the query "${sql}"`, stack };
  }
}

/** In Knex's words, where nothing else has ended the transaction. */
export function alreadyComplete(): Error {
  return new Error('Transaction query already complete');
}

/** Nothing may be asked in it any more. */
export function refuseIfOver(transaction: Enclosing): void {
  const refusal = transaction.refuse();
  if (refusal) throw refusal.error;
  if (!transaction.isUsable) throw alreadyComplete();
}
