// Draws a schedule from a seed.
import { Random } from '../random';
import { drawBody, drawEnd, drawStatement } from './bodies';
import { drawFault } from './faults';
import type { Action, BlockOptions, Foreign, Schedule, Setting } from './schedule';

/**
 * How wild a schedule is. `calm`: nothing but work. `resets`: resets as well. `life`: the instance is destroyed
 * and opened again, and sandboxes are opened. `storm`: all that can happen.
 */
type Weather = 'calm' | 'resets' | 'life' | 'storm';

export function generate(seed: number): Schedule {
  const random = Random.keyed(seed, 'schedule');
  const weather = random.weighted<Weather>([
    [2, 'calm'],
    [3, 'resets'],
    [2, 'life'],
    [5, 'storm'],
  ]);
  const setting = drawSetting(random, weather);
  const steps = Array.from({ length: random.int(4, 18) }, () => ({
    afterMillis: random.chance(0.5) ? random.int(0, 2) : random.int(0, 40),
    action: drawAction(random, weather),
  }));
  return { seed, setting, steps };
}

function drawSetting(random: Random, weather: Weather): Setting {
  const options: Setting['options'] = { timeoutMillis: random.int(300, 3000) };
  if (random.chance(0.3)) options.graceMillis = random.int(0, 200);
  if (random.chance(0.4)) options.onFatal = random.pick(['discard', 'evict', 'reset']);
  if (random.chance(0.3))
    Object.assign(options, { checkIdleMillis: random.int(1, 20), checkTimeoutMillis: random.int(20, 300) });
  if (random.chance(0.1)) options.leakAfterMillis = random.int(20, 200);
  if (random.chance(0.15)) options.ambient = true;
  if (random.chance(0.15)) options.transactionTimeoutMillis = random.int(20, 500);
  if (weather === 'storm' && random.chance(0.2)) options.targetSessionAttrs = random.pick(['read-write', 'primary']);
  return {
    way: random.pick(['factory', 'address']),
    fragmentation: random.pick([0, 0, 0.05, 0.4]),
    ...drawWorld(random),
    ...drawOwner(random, weather),
    ...(random.chance(0.3) ? { copyIsOlder: true } : {}),
    poolMin: random.chance(0.8) ? 0 : 2,
    poolMax: random.int(2, 4),
    acquireMillis: random.int(300, 3000),
    options,
    foreign: drawForeign(random, weather),
  };
}

/** An id that is given anew while a request with its age is on a slow way may be taken for the old one: not both. */
function drawWorld(random: Random): Pick<Setting, 'reusesPids' | 'slowLinks'> {
  if (random.chance(0.2)) return { reusesPids: true };
  return random.chance(0.2) ? { slowLinks: random.pick([0.2, 0.5]) } : {};
}

/** What a connection that is cut does to a pool that knows nothing of resets is its owner's business: only where none is. */
function drawOwner(random: Random, weather: Weather): Pick<Setting, 'owner'> {
  if ((weather !== 'calm' && weather !== 'resets') || !random.chance(0.15)) return {};
  return { owner: random.pick(['knex', 'pg']) };
}

function drawForeign(random: Random, weather: Weather): Foreign {
  const foreign: Foreign = {};
  const isWild = weather === 'storm' || weather === 'life';
  if (random.chance(0.3)) foreign.hooks = isWild && random.chance(0.4) ? random.pick(['throw', 'hang']) : 'watch';
  if (random.chance(0.1)) foreign.isFatal = isWild ? random.pick(['standard', 'throw', 'never']) : 'standard';
  if (random.chance(0.1)) foreign.onLeak = 'throw';
  if (random.chance(0.15)) foreign.afterCreate = isWild && random.chance(0.3) ? 'fail' : 'ask';
  if (isWild && random.chance(0.05)) foreign.listener = 'throw';
  if (isWild && random.chance(0.1)) foreign.endThrows = random.int(1, 3);
  return foreign;
}

function drawAction(random: Random, weather: Weather): Action {
  const storm = weather === 'storm' ? 1 : 0;
  const resets = weather === 'calm' ? 0 : 1;
  const life = weather === 'life' ? 1 : 0;
  const isTame = weather === 'calm' && random.chance(0.7);
  const kind = { isBlock: true, canReset: resets === 1, isTame };
  return random.weighted<() => Action>([
    [4, () => ({ act: 'ask', statement: drawStatement(random), onCopy: random.chance(0.2) })],
    [
      6,
      () => ({
        act: 'block',
        body: drawBody(random, kind),
        options: drawOptions(random, storm),
        onCopy: random.chance(0.2),
      }),
    ],
    [3, () => drawTransaction(random, { ...kind, isBlock: false })],
    [0.5, () => drawStream(random)],
    [0.5, () => drawByHand(random, isTame)],
    [3 * resets, () => ({ act: 'reset', options: drawResetOptions(random), onCopy: random.chance(0.2) })],
    [0.3 + storm * 0.5, () => ({ act: 'callback', statement: drawStatement(random), throws: random.chance(0.5) })],
    [1 * life, () => ({ act: 'destroy' })],
    [1.5 * life, () => ({ act: 'initialize' })],
    [2 * life, () => drawSandbox(random)],
    [4 * storm, () => drawFault(random)],
  ])();
}

function drawTransaction(random: Random, kind: Parameters<typeof drawBody>[1]): Action {
  const end = random.weighted<'commit' | 'rollback' | 'leave'>([
    [6, 'commit'],
    [2, 'rollback'],
    [kind.isTame ? 0 : 0.5, 'leave'],
  ]);
  const form = random.pick(['callback', 'handle'] as const);
  return {
    act: 'transaction',
    form,
    body: drawBody(random, kind),
    end: form === 'callback' && end === 'leave' ? 'commit' : end,
    onCopy: random.chance(0.2),
  };
}

function drawSandbox(random: Random): Action {
  const kind = { isBlock: false, isSandboxed: true, canReset: false, isTame: random.chance(0.5) };
  return {
    act: 'sandbox',
    form: random.pick(['body', 'open', 'apart']),
    body: drawBody(random, kind),
    onCopy: random.chance(0.2),
  };
}

function drawStream(random: Random): Action {
  const rows = random.int(1, 300);
  return { act: 'stream', rows, read: random.chance(0.7) ? rows + 1 : random.int(1, rows), onCopy: random.chance(0.2) };
}

function drawByHand(random: Random, isTame: boolean): Action {
  const statements = Array.from({ length: random.int(1, 3) }, () => drawStatement(random));
  const gives = isTame ? 'back' : random.pick(['back', 'back', 'early', 'nothing'] as const);
  return { act: 'by hand', statements, pauseMillis: random.int(0, 30), gives };
}

function drawOptions(random: Random, storm: number): BlockOptions {
  const options: BlockOptions = {};
  if (random.chance(0.2)) options.timeoutMillis = random.chance(0.2) ? 60_000 : random.int(1, 200);
  if (random.chance(0.25)) {
    options.attempts = random.int(2, 3);
    if (random.chance(0.4)) options.when = random.pick(['always', 'always', 'never', 'throw']);
  }
  if (random.chance(0.2 * storm + 0.05)) options.verifyCommit = true;
  if (random.chance(0.05)) options.readOnly = true;
  if (random.chance(0.15)) Object.assign(options, drawEnd(random));
  return options;
}

function drawResetOptions(random: Random): Extract<Action, { act: 'reset' }>['options'] {
  const options: Extract<Action, { act: 'reset' }>['options'] = {};
  if (random.chance(0.3)) options.graceMillis = random.int(0, 100);
  if (random.chance(0.3)) options.timeoutMillis = random.int(50, 2000);
  if (random.chance(0.3)) options.connections = 'recycle';
  if (random.chance(0.3)) options.waiting = 'requeue';
  return options;
}
