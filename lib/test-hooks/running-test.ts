// The test that a hook runs for, as its runner tells it: each has a way of its own.
import type { MochaTest } from './mocha-test';

/** What a hook has as `this`: mocha's context, or whatever else the runner gives. */
export type HookThis = unknown;

export interface RunningTest {
  readonly title: string;
  /** The same in all hooks of one test; undefined where the runner tells nothing. */
  readonly key?: unknown;
  readonly mocha?: MochaTest;
  /** Whether its function has ended, as far as the runner lets that be seen. Runners that run one test at a time go on only then. */
  isOver(): boolean;
  isInside(outer: RunningTest): boolean;
  /** What else may be the reason where it seems to go on. */
  readonly hint?: string;
  /** Absent: the hook after each test is as late as it gets. */
  readonly atEnd?: AtEnd | undefined;
}

/** The moment when all is done that a test has registered for its own end, such as fixtures: later than the hooks after each test. */
interface AtEnd {
  /** The hook in which it has to be asked for, so that nothing comes after it. */
  readonly askedIn: 'beforeEach' | 'afterEach';
  ask(work: () => Promise<void>): void;
}

const never = () => false;
const always = () => true;

/** @param given what the runner passes to its hooks */
export function runningTest(context: HookThis, given: unknown): RunningTest {
  const { currentTest } = (context ?? {}) as { currentTest?: MochaTest };
  if (typeof currentTest?.fullTitle === 'function') return ofMocha(currentTest);
  const told = (given ?? {}) as Partial<VitestContext & NodeContext & AvaContext & TapContext & TitledContext>;
  if (told.task) return ofVitest(given as VitestContext);
  if (typeof told.title === 'string' && typeof told.log === 'function') return ofAva(told.title);
  if (typeof told.fullname === 'string') return ofTap(given as TapContext);
  const { fullName = told.name } = told;
  if (fullName !== undefined) return ofNode(given as NodeContext, fullName);
  return { title: titleIn(told) ?? titleInJest() ?? 'a test', isOver: always, isInside: never };
}

function ofMocha(test: MochaTest): RunningTest {
  return { title: test.fullTitle(), key: test, mocha: test, isOver: always, isInside: never };
}

interface VitestContext {
  task: Task;
  /** Since vitest 1. */
  onTestFinished?(work: () => Promise<void>): void;
}
interface Task {
  name: string;
  suite?: Task;
  result?: { state?: string; hooks?: { afterEach?: string } };
}

function ofVitest(context: VitestContext): RunningTest {
  const { task } = context;
  const isOver = () => {
    const { state, hooks } = task.result ?? {};
    return state !== 'run' && hooks?.afterEach !== 'run';
  };
  return { title: titleOfTask(task), key: task, isOver, isInside: never, atEnd: afterFixtures(context) };
}

/** What was asked for first is called last. */
function afterFixtures(context: VitestContext): AtEnd | undefined {
  if (typeof context.onTestFinished !== 'function') return undefined;
  return { askedIn: 'beforeEach', ask: (work) => context.onTestFinished?.(work) };
}

function titleOfTask({ name, suite }: Task): string {
  return suite?.name ? `${titleOfTask(suite)} ${name}` : name;
}

interface NodeContext {
  name: string;
  /** Since Node 20.16. */
  fullName?: string;
  passed?: boolean;
  error?: unknown;
  after?(work: () => Promise<void>): void;
}

/** Runs the hooks around a test again for each test inside it. */
function ofNode(context: NodeContext, title: string): RunningTest {
  const around = nameAround(context);
  return {
    title,
    key: context,
    isOver: () => context.passed === true || (context.error ?? null) !== null,
    // A suite may be between them.
    isInside: (outer) => `${around} > `.startsWith(`${outer.title} > `),
    atEnd: afterOwnHooks(context),
  };
}

/** What a test has asked for is called in that order, after the hooks after each test. */
function afterOwnHooks(context: NodeContext): AtEnd | undefined {
  if (typeof context.after !== 'function') return undefined;
  return { askedIn: 'afterEach', ask: (work) => context.after?.(work) };
}

/** The full name of what a test is in. It is joined with " > ", which may be in the names, too: so the test's own name is taken off. */
function nameAround({ name, fullName = name }: NodeContext): string {
  const own = ` > ${name}`;
  return fullName.endsWith(own) ? fullName.slice(0, -own.length) : '';
}

interface AvaContext {
  title: string;
  log: unknown;
}

/** Gives each hook a context of its own, with a title like "beforeEach hook for takes an order", and does not tell when the test is over. */
function ofAva(titleOfHook: string): RunningTest {
  const title = titleOfHook.slice(titleOfHook.indexOf(' for ') + ' for '.length);
  const hint =
    ' (If they do not overlap, take test.afterEach.always for the hook after each test: without it a failed test does not end.)';
  return { title, key: title, isOver: never, isInside: never, hint };
}

interface TapContext {
  fullname: string;
  ended: boolean;
}

/** The hooks after each test are called when it has ended, its own `after()` included: what is registered then is never called. */
function ofTap(context: TapContext): RunningTest {
  const { fullname: title } = context;
  const isInside = (outer: RunningTest) => title.startsWith(`${outer.title} > `);
  return { title, key: context, isOver: () => context.ended, isInside };
}

interface TitledContext {
  pickle?: { name?: string };
  test?: { testName?: string };
  __test__?: string;
}

/** In Cucumber, QUnit and uvu, which tell no more. */
function titleIn({ pickle, test, __test__ }: TitledContext): string | undefined {
  return pickle?.name ?? test?.testName ?? __test__;
}

function titleInJest(): string | undefined {
  const { expect } = globalThis as { expect?: { getState?(): { currentTestName?: string } } };
  return expect?.getState?.().currentTestName;
}
