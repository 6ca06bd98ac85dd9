// The options that a block of the workload is given, and the moments at which its signal is aborted.
import type { AtomicOptions } from '../../../lib';
import type { AbortMoment, BlockOptions } from '../schedule/schedule';
import type { Unit } from './ledger';
import { OwnError } from './own-error';
import type { Stage } from './stage';

const HOOKS = ['afterBegin', 'beforeCommit', 'afterCommit', 'afterRollback'] as const;

export interface GivenOptions {
  options: AtomicOptions;
  /** Its callback is to tell when it begins and ends. */
  onCallback: (this: void, moment: AbortMoment) => void;
}

export function blockOptions(stage: Stage, unit: Unit, drawn: BlockOptions): GivenOptions {
  const options: AtomicOptions = { label: unit.name };
  if (drawn.timeoutMillis !== undefined) {
    unit.limitMillis = drawn.timeoutMillis;
    options.timeoutMillis = drawn.timeoutMillis;
  }
  if (drawn.attempts !== undefined) options.retry = retryOf(drawn.attempts, drawn.when);
  if (drawn.attempts !== undefined && drawn.when === undefined) unit.triesAfterLoss = drawn.attempts;
  if (drawn.attempts !== undefined && drawn.when === 'always') unit.tries = drawn.attempts;
  if (drawn.verifyCommit) {
    unit.verifies = true;
    options.verifyCommit = true;
  }
  if (drawn.readOnly) options.readOnly = true;
  return { options, onCallback: abortsAt(stage, unit, drawn, options) };
}

/** Gives the block a signal, where one is drawn. Returns what aborts it at a moment of the callback. */
function abortsAt(stage: Stage, unit: Unit, drawn: BlockOptions, options: AtomicOptions): GivenOptions['onCallback'] {
  const { abortAt, abortAfterMillis, abortsWithNull } = drawn;
  if (abortAt === undefined && abortAfterMillis === undefined) return () => {};
  const controller = new AbortController();
  unit.hasSignal = true;
  options.signal = controller.signal;
  const abort = () => controller.abort(abortsWithNull ? null : new OwnError(`aborted ${unit.name}`));
  const onMoment = (moment: AbortMoment) => {
    if (moment === abortAt) abort();
  };
  if (abortAfterMillis !== undefined) stage.clock.input(abortAfterMillis, abort);
  onMoment('given');
  const hook = HOOKS.find((moment) => moment === abortAt);
  if (hook) options.hooks = { [hook]: () => onMoment(hook) };
  return onMoment;
}

function retryOf(attempts: number, when: BlockOptions['when']): AtomicOptions['retry'] {
  if (when === undefined) return attempts;
  const decide = () => {
    if (when === 'throw') throw new OwnError('thrown in when');
    return when === 'always';
  };
  return { attempts, when: decide };
}
