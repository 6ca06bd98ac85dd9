// Queries that were asked of the instance itself and run inside a transaction: by `ambient`, or in a sandbox, where each takes its turn.
import type { QueryOrigin } from '../words/call-site';
import type { Guest } from '../pool/instance';
import type { Transaction } from './transaction';

/** Resolves with the connection when it is the query's turn; the pool says when it is done. */
export async function enlist(transaction: Transaction, asked: QueryOrigin | undefined): Promise<object> {
  refuseIfOver(transaction);
  const { connection, root } = transaction;
  const guest: Guest = { asked };
  root.sandbox?.guests.add(guest);
  const leaveScope = transaction.enter();
  const leave = () => {
    root.sandbox?.guests.delete(guest);
    leaveScope();
  };
  const { mutex: turns } = connection;
  if (!turns) {
    connection.guests.push(leave);
    return connection.raw;
  }
  try {
    // The sandbox may be closed while it waits, which would have to wait for the query.
    await turns.takeForQuery(() => refuseIfOver(transaction));
  } catch (error) {
    leave();
    throw error;
  }
  connection.guests.push(() => {
    // Its asker has the answer: what is left is the savepoint's affair.
    root.sandbox?.guests.delete(guest);
    const ending = turns.endQuery();
    if (ending) void ending.finally(leaveScope);
    else leaveScope();
  });
  return connection.raw;
}

function refuseIfOver(transaction: Transaction): void {
  if (transaction.refusal !== undefined) throw transaction.refusal;
  // An inner one may still be open when the transaction around it has ended, and its connection is somebody else's.
  if (transaction.phase !== 'open' || transaction.parentHasEnded) throw new Error('Transaction query already complete');
}
