// Transactions inside another. Knex begins them one after the other: each waits for the promise of the one before, without a bound.
import type { Container, TransactionConfig } from './transaction-request';
import type { KnexTransaction, TransactionMaker } from './transaction-shape';

/** Makes a transaction inside one that has begun, as its handle does. */
export function makeInside(outer: KnexTransaction, container: Container, config: TransactionConfig): KnexTransaction {
  return (outer.trxClient as TransactionMaker).transaction(
    container,
    { doNotRejectOnRollback: true, ...config },
    outer,
  );
}

/** Makes a transaction inside `outer` that waits for another promise instead, made from knex's own: where that rejects, so does the transaction. */
export function makeWithWait(
  outer: KnexTransaction,
  wait: (earlier: Promise<unknown>) => Promise<unknown>,
  make: () => KnexTransaction,
): KnexTransaction {
  const earlier = outer._lastChild;
  outer._lastChild = wait(earlier);
  try {
    return make();
  } finally {
    // One that gives up its wait must not let those behind it pass.
    outer._lastChild = Promise.all([earlier, outer._lastChild.catch(() => {})]);
  }
}

/** An outermost transaction, as its handle would make it: a rollback by hand without a reason resolves. */
export function makeOutermost(client: object, container: Container, config: TransactionConfig): KnexTransaction {
  return (client as TransactionMaker).transaction(container, { doNotRejectOnRollback: true, ...config });
}
