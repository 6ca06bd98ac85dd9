// Draws what goes wrong: at a moment of time, or at a moment of a statement.
import { HURTS } from '../network/hurt';
import type { Random } from '../random';
import type { Ambush, Effect, Moment, Target } from '../server/ambush';
import type { Action } from './schedule';

const ERRORS = ['40001', '40P01', '23505', '57014', '55P03', '25006', 'XX000', '58030'];
const FATALS = ['57P01', '57P02', '25P03', '25P04', '08006', '53300'];
const TARGETS: [number, Target][] = [
  [3, 'any'],
  [1, 'begin'],
  [5, 'commit'],
  [2, 'rollback'],
  [1, 'savepoint'],
  [1, 'release'],
  [1, 'rollback to'],
  [3, 'insert'],
  [1, 'update'],
  [1, 'select'],
  [0.5, 'discard'],
  [1, 'startup'],
];

function drawEffect(random: Random, on: Target): Effect {
  return random.weighted<() => Effect>([
    [4, () => ({ is: 'error', code: random.pick(ERRORS) })],
    [3, () => ({ is: 'fatal', code: random.pick(FATALS) })],
    [6, () => ({ is: random.pick(HURTS.filter((how) => how !== 'slow')) })],
    [0.6, () => ({ is: 'crash', downMillis: random.int(5, 300) })],
    [1, () => ({ is: 'freeze', millis: random.int(20, 3000) })],
    [0.5, () => ({ is: 'freeze server', millis: random.int(20, 1500) })],
    [on === 'commit' ? 2 : 0, () => ({ is: 'standby', millis: random.int(10, 2000) })],
  ])();
}

export function drawAmbush(random: Random): Ambush {
  const on = random.weighted(TARGETS);
  const effect = drawEffect(random, on);
  const when =
    effect.is === 'standby'
      ? 'before'
      : random.weighted<Moment>([
          [3, 'before'],
          [effect.is === 'error' ? 0 : 2, 'before its answer'],
          [effect.is === 'reset' ? 1 : 0, 'in its answer'],
          [effect.is === 'error' ? 0 : 2, 'after'],
        ]);
  return { on, when, skip: random.int(0, 2), effect };
}

export function drawFault(random: Random): Action {
  return random.weighted<() => Action>([
    [6, () => ({ act: 'ambush', ambush: drawAmbush(random) })],
    [4, () => ({ act: 'hurt', link: random.int(0, 5), how: random.pick(HURTS) })],
    [0.7, () => ({ act: 'crash', downMillis: random.int(5, 300) })],
    [0.7, () => ({ act: 'demote', downMillis: random.int(5, 50), millis: random.int(10, 400) })],
    [1, () => ({ act: 'freeze', millis: random.int(20, 3000) })],
    [1, () => ({ act: 'unreachable', how: random.pick(['refused', 'silent']), millis: random.int(5, 500) })],
    [2, () => ({ act: 'terminate', backend: random.int(0, 5), code: random.pick(['57P01', '57P05']) })],
    [1.5, () => ({ act: 'stall', millis: random.int(5, 1200) })],
  ])();
}
