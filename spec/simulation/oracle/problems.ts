// Nothing goes wrong beside the promises: no unhandled rejection, no overlap on a connection, no gap in the simulation.
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function nothingGoesWrongBeside({ ledger, journal }: Evidence): Violation[] {
  const beside = new Verdict('beside');
  const overlaps = new Verdict('overlap');
  const gaps = new Verdict('gap in the simulation');
  for (const problem of ledger.problems) (problem.startsWith('overlap') ? overlaps : beside).hold(false, () => problem);
  for (const gap of journal.gaps) gaps.hold(false, () => gap);
  return [...beside.violations, ...overlaps.violations, ...gaps.violations];
}
