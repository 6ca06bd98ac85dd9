// Which queries of a block are under way: its end waits for those that its callback did not wait for.
import type { KnexClient, Runner } from '../knex/insides';
import { scopeOfClient } from './steps';

export function watchRunner(client: KnexClient, runner: Runner): void {
  const scope = scopeOfClient(client);
  if (!scope?.block) return;
  const run = runner.run;
  runner.run = () => {
    const leave = scope.enter();
    const result = run.call(runner);
    result.then(leave, leave);
    return result;
  };
}
