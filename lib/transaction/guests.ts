// Queries that were asked of the instance itself and run inside a transaction: by `ambient`, or in a sandbox, there under a savepoint each.
import type { Asked } from '../pool/ambient';
import type { Guest } from '../pool/instance';
import type { Scope } from './scope';

let lastSavepoint = 0;

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
  if (!session.turns) {
    session.guests.push(leave);
    return session.connection;
  }
  const endTurn = await session.turns.take();
  const savepoint = `sandbox_${++lastSavepoint}`;
  const end = () => {
    endTurn();
    leave();
  };
  try {
    refuseIfOver(scope);
    await session.send(`SAVEPOINT ${savepoint}`);
    // The sandbox may have been closed meanwhile, which would have to wait for the query.
    refuseIfOver(scope);
  } catch (error) {
    end();
    throw error;
  }
  session.guests.push(() => {
    // Its asker has the answer: what is left is the savepoint's end.
    root.sandbox?.guests.delete(guest);
    void undoIfFailed(scope, savepoint).finally(end);
  });
  return session.connection;
}

function refuseIfOver(scope: Scope): void {
  if (scope.refusal !== undefined) throw scope.refusal;
  if (scope.phase !== 'open' && scope.phase !== 'committing') throw new Error('Transaction query already complete');
}

/** So that a failing statement does not poison what comes after it. */
async function undoIfFailed({ session }: Scope, savepoint: string): Promise<void> {
  try {
    await session.whenQuiet();
    const status = session.driver.status(session.connection);
    // A statement ended the transaction: the savepoint went with it.
    if (status === 'idle' || session.refusal !== undefined) return;
    if (status === 'failed') await session.send(`ROLLBACK TO SAVEPOINT ${savepoint}`);
    await session.send(`RELEASE SAVEPOINT ${savepoint}`);
  } catch {
    // What is wrong with the connection is said to whoever asks next.
  }
}
