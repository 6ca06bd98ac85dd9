// Collects what goes wrong beside the code under test: unhandled rejections and process warnings, deprecations included.

interface Problem {
  kind: 'unhandled rejection' | 'process warning';
  text: string;
}

let problems: Problem[] = [];
let expectations: (string | RegExp)[] = [];
const seen = new WeakSet<Promise<unknown>>();

/** Tells the running test to wait for a process warning with this in its text: it fails when none comes. */
export function expectWarning(pattern: string | RegExp): void {
  expectations.push(pattern);
}

export function startCollecting(): void {
  process.on('unhandledRejection', collectRejection);
  process.on('warning', collectWarning);
}

export function stopCollecting(): void {
  process.off('unhandledRejection', collectRejection);
  process.off('warning', collectWarning);
}

/** Empties the collection, and says what was in it that nobody expected. */
export async function takeProblems(): Promise<string[]> {
  // Rejections count as unhandled only when the microtasks are done, and warnings come in a tick of their own.
  await new Promise((resolve) => realSetImmediate(resolve));
  const texts = expectations
    .filter((pattern) => !takeExpected(pattern))
    .map((pattern) => `no warning came with ${pattern}`);
  texts.push(...problems.map(({ kind, text }) => `${kind}: ${text}`));
  problems = [];
  expectations = [];
  return texts;
}

const realSetImmediate = setImmediate; // a spec may have faked it

function takeExpected(pattern: string | RegExp): boolean {
  const others = problems.filter(({ kind, text }) => kind !== 'process warning' || !matches(text, pattern));
  const taken = others.length < problems.length;
  problems = others;
  return taken;
}

function matches(text: string, pattern: string | RegExp): boolean {
  return typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text);
}

function collectRejection(reason: unknown, promise: Promise<unknown>): void {
  if (seen.has(promise)) return; // mocha emits them once more
  seen.add(promise);
  problems.push({ kind: 'unhandled rejection', text: textOf(reason) });
}

function collectWarning(warning: Error): void {
  problems.push({ kind: 'process warning', text: textOf(warning) });
}

function textOf(value: unknown): string {
  return value instanceof Error ? (value.stack ?? String(value)) : String(value);
}
