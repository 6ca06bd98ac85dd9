// connectionState() adds up whenever it is asked.
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function countsAddUp({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('counts');
  const { poolMax, options } = schedule.setting;
  /** A fatal error may have made one. */
  const isFree = options.onFatal === 'reset';
  let generation = 0;
  for (const { state, at, openSockets, pendingResets } of ledger.samples) {
    const { idle, inUse, opening } = state.connections;
    const where = () => `at ${at.toFixed(1)} ms: ${JSON.stringify(state.connections)}`;
    const all = idle + inUse + opening;
    verdict.hold(all <= poolMax, () => `${where()}, the pool's maximum is ${poolMax}`);
    // One in use may have lost its socket; nobody else may be lent such a one.
    verdict.hold(idle <= openSockets, () => `${where()}, ${openSockets} sockets are open`);
    verdict.hold(
      Object.values(state.connections).every((count) => count >= 0),
      where,
    );
    verdict.hold(state.generation >= generation, () => `${where()}, the generation fell to ${state.generation}`);
    generation = state.generation;
    verdict.hold(isFree || pendingResets > 0 || !state.resetting, () => `${where()}, resetting without a reset`);
    const ids = new Set(state.transactions.map(({ id }) => id));
    verdict.hold(ids.size === state.transactions.length, () => `${where()}, a transaction is listed twice`);
  }
  return verdict.violations;
}
