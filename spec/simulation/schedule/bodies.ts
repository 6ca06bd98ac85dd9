// Draws statements, and the callbacks of transactions.
import type { Random } from '../random';
import type { BlockOptions, Part, Statement } from './schedule';

/** What callbacks may contain here; a plain transaction, a block and a sandbox differ. */
export interface Kind {
  isBlock: boolean;
  /** Inside a sandbox. */
  isSandboxed?: boolean;
  canReset: boolean;
  /** Only what ends by itself, and in the way that its last line says. */
  isTame: boolean;
}

const KEYS = 4;
const SLOTS = 3;

export function drawStatement(random: Random): Statement {
  const ask = random.weighted<Statement['ask']>([
    [10, 'insert'],
    [2, 'insert key'],
    [3, 'update'],
    [4, 'select'],
    [1, 'sleep'],
    [0.7, 'divide'],
    [0.3, 'series'],
  ]);
  const number = ask === 'sleep' ? random.int(1, 60) : ask === 'update' ? random.int(1, SLOTS) : random.int(1, KEYS);
  return { ask, number, hasBindings: random.chance(0.3) };
}

const drawHow = (random: Random) =>
  random.weighted([
    [7, 'await'],
    [2, 'swallow'],
    [1, 'float'],
  ] as const);

function drawAsk(random: Random): Part {
  const statement = drawStatement(random);
  return { part: 'ask', statement, how: statement.ask === 'divide' ? 'swallow' : drawHow(random) };
}

/** What a floating block sends while an inner transaction is open is undone with it, as in plain Knex: where one is opened, none floats. */
export function drawBody(random: Random, kind: Kind, depth = 0): Part[] {
  const parts = drawParts(random, kind, depth);
  return parts.some(opensInner) ? parts.map(awaited) : parts;
}

function awaited(part: Part): Part {
  if (part.part === 'together') return { ...part, parts: part.parts.map(awaited) };
  if (part.part !== 'nest') return part;
  const body = part.form === 'joined' ? part.body.map(awaited) : part.body;
  return { ...part, body, how: part.how === 'float' ? 'await' : part.how };
}

function drawParts(random: Random, kind: Kind, depth: number): Part[] {
  const length = random.int(1, depth === 0 ? 5 : 3);
  return Array.from({ length }, () => drawPart(random, kind, depth));
}

function drawPart(random: Random, kind: Kind, depth: number): Part {
  const nests = depth < 2 ? 2 : 0;
  const wild = kind.isTame ? 0 : 1;
  const drawn = random.weighted<() => Part>([
    [10, () => drawAsk(random)],
    [1.5, () => ({ part: 'pause', millis: random.int(0, 30) })],
    [nests, () => drawNested(random, kind, depth)],
    [nests * 0.6, () => ({ part: 'together', parts: [drawAsk(random), drawPart(random, kind, depth + 1)] })],
    [0.4 * wild, () => ({ part: 'throw' })],
    [0.15 * wild, () => ({ part: 'hang' })],
    [
      kind.isSandboxed ? 0 : 0.2 * wild,
      () => ({ part: 'raw', sql: random.pick(['commit', 'rollback', 'rollback and chain']) }),
    ],
    [kind.isBlock ? 0.3 * wild : 0, () => drawControl(random)],
    [kind.isBlock || !kind.isSandboxed ? 1 : 0, () => drawHook(random, wild)],
    [0.4, () => drawStream(random)],
    [0.4, () => ({ part: 'outside', statement: drawStatement(random), how: drawHow(random) })],
    [kind.isSandboxed ? nests * 0.5 : 0, () => ({ part: 'sandbox', body: drawBody(random, kind, depth + 1) })],
    [kind.canReset ? 0.2 * wild : 0, () => ({ part: 'reset', options: {} })],
  ]);
  return drawn();
}

function drawNested(random: Random, kind: Kind, depth: number): Part {
  const form = random.weighted<'block' | 'joined' | 'transaction'>([
    [3, 'block'],
    [kind.isBlock && !kind.isSandboxed ? 1 : 0, 'joined'],
    [2, 'transaction'],
  ]);
  const inner = { ...kind, isBlock: form !== 'transaction' };
  const body = form === 'joined' ? drawParts(random, inner, depth + 1) : drawBody(random, inner, depth + 1);
  const options = form === 'block' && random.chance(0.15) ? { options: drawEnd(random) } : {};
  return { part: 'nest', form, body, how: drawHow(random), ...options };
}

/** Whether it opens a savepoint: a block that joins does so by what is in it only. */
function opensInner(part: Part): boolean {
  if (part.part === 'together') return part.parts.some(opensInner);
  if (part.part === 'nest') return part.form !== 'joined' || part.body.some(opensInner);
  return part.part === 'sandbox';
}

const ABORTS = ['given', 'afterBegin', 'callback', 'returned', 'beforeCommit', 'afterCommit', 'afterRollback'] as const;

/** What ends a block from outside: its limit, or its signal, at a time or at a moment of its own. */
export function drawEnd(random: Random): BlockOptions {
  if (random.chance(0.4)) return { timeoutMillis: random.int(1, 100) };
  const abort = random.chance(0.3) ? { abortAfterMillis: random.int(0, 60) } : { abortAt: random.pick(ABORTS) };
  return random.chance(0.2) ? { ...abort, abortsWithNull: true } : abort;
}

function drawControl(random: Random): Part {
  return {
    part: 'control',
    call: random.pick(['commit', 'rollback']),
    how: random.pick(['await', 'swallow', 'float']),
  };
}

function drawHook(random: Random, wild: number): Part {
  const hook = random.pick(['beforeCommit', 'afterCommit', 'afterRollback'] as const);
  return {
    part: 'hook',
    hook,
    does: random.weighted([
      [3, 'nothing'],
      [2, 'ask'],
      [wild, 'throw'],
      [wild * 0.3, 'hang'],
    ] as const),
  };
}

function drawStream(random: Random): Part {
  const rows = random.int(1, 300);
  return { part: 'stream', rows, read: random.chance(0.7) ? rows + 1 : random.int(1, rows) };
}
