// Queries that were asked of the instance itself and run inside a transaction: by `ambient`, or in a sandbox, where each takes its turn.
import type { Asked } from '../pool/ambient';
import type { Guest } from '../pool/instance';
import type { Scope } from './scope';

/** Resolves with the connection when it is the query's turn; the pool says when it is done. */
export async function letIn(scope: Scope, asked: Asked | undefined): Promise<object> {
  refuseIfOver(scope);
  const { session, root } = scope;
  const guest: Guest = { asked };
  root.sandbox?.guests.add(guest);
  const leaveScope = scope.enter();
  const leave = () => {
    root.sandbox?.guests.delete(guest);
    leaveScope();
  };
  const { turns } = session;
  if (!turns) {
    session.guests.push(leave);
    return session.connection;
  }
  try {
    // The sandbox may be closed while it waits, which would have to wait for the query.
    await turns.takeForQuery(() => refuseIfOver(scope));
  } catch (error) {
    leave();
    throw error;
  }
  session.guests.push(() => {
    // Its asker has the answer: what is left is the savepoint's affair.
    root.sandbox?.guests.delete(guest);
    const ending = turns.endQuery();
    if (ending) void ending.finally(leaveScope);
    else leaveScope();
  });
  return session.connection;
}

function refuseIfOver(scope: Scope): void {
  if (scope.refusal !== undefined) throw scope.refusal;
  // An inner one may still be open when the transaction around it has ended, and its connection is somebody else's.
  if (scope.phase !== 'open' || scope.isOutlived) throw new Error('Transaction query already complete');
}
