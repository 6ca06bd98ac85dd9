// Which queries of a block are under way: its end waits for those that its callback did not wait for.
import type { Runner } from '../knex/builders';
import { asTransaction } from './find-transaction';

/** @param kept what is known of the transaction that the query runs in, by its client or by the async context */
export function watchRunner(kept: unknown, runner: Runner): void {
  const transaction = asTransaction(kept);
  if (!transaction?.block) return;
  const { run } = runner;
  const watched = () => {
    const { work } = transaction;
    const leave = work.enter();
    const isOfCallback = work.isCallbackRunning;
    const result = run.call(runner);
    result.then(leave, (error) => {
      // The callback has ended without waiting for it. Without this, only the server could make the block fail.
      if (isOfCallback && !work.isCallbackRunning && transaction.isOpen)
        work.failures.addUnawaited({ error, what: 'a query of' });
      leave();
    });
    return result;
  };
  runner.run = watched;
}
