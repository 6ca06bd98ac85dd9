// Which queries of a block are under way: its end waits for those that its callback did not wait for.
import type { KnexClient, Runner } from '../knex/insides';
import { scopeOfClient } from './steps';

export function watchRunner(client: KnexClient, runner: Runner): void {
  const scope = scopeOfClient(client);
  if (!scope?.block) return;
  const { run } = runner;
  const watched = () => {
    const leave = scope.enter();
    const isOfCallback = scope.isCallbackRunning;
    const result = run.call(runner);
    result.then(leave, (error) => {
      // The callback is done and has not waited for it: nobody else would make the block fail, but for the server.
      if (isOfCallback && scope.isEndAsked && scope.phase === 'open') scope.unheard ??= error;
      leave();
    });
    return result;
  };
  runner.run = watched;
}
