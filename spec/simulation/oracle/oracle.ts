// All invariants that hold after every schedule.
import type { Evidence } from '../run/run';
import { answersAreOnesOwn } from './answers';
import { registeredHooksRun } from './registered-hooks';
import { victimsAreToldAtOnce } from './at-once';
import { countsAddUp } from './counts';
import { transactionsEndOnce } from './events';
import { rejectionsAreExplained } from './explained';
import { resetIsFence } from './fence';
import { transactionsAreApart } from './isolation';
import { nothingIsLeft, serverHasLetGo } from './let-go';
import { nothingGoesWrongBeside } from './problems';
import { hooksTellTheSame } from './hooks';
import { serverIsTheRightOne } from './right-server';
import { destroyIsBounded, limitsHold, promisesSettle } from './settled';
import { toldIsStored } from './stored';
import type { Violation } from './violation';

const invariants: ((evidence: Evidence) => Violation[])[] = [
  nothingGoesWrongBeside,
  promisesSettle,
  limitsHold,
  victimsAreToldAtOnce,
  destroyIsBounded,
  toldIsStored,
  transactionsAreApart,
  resetIsFence,
  serverIsTheRightOne,
  serverHasLetGo,
  transactionsEndOnce,
  countsAddUp,
  hooksTellTheSame,
  registeredHooksRun,
  answersAreOnesOwn,
  rejectionsAreExplained,
  nothingIsLeft,
];

export function judge(evidence: Evidence): Violation[] {
  return invariants.flatMap((invariant) => invariant(evidence));
}
