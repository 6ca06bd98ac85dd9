// Finds the name of the test that a hook runs for. Each runner tells it in its own way.

/** What a hook has as `this`: mocha's context, or whatever else the runner gives. */
export type HookThis = unknown;

/** @param given what the runner passes to its hooks */
export function titleOf(context: HookThis, given: unknown): string | undefined {
  const { currentTest } = (context ?? {}) as { currentTest?: { fullTitle?(): string } };
  if (typeof currentTest?.fullTitle === 'function') return currentTest.fullTitle();
  // vitest passes a context with a task, whose suites have the other parts of the name; node:test one with a name.
  const { fullName, name, task } = (given ?? {}) as { fullName?: string; name?: string; task?: Task };
  return task ? titleOfTask(task) : (fullName ?? name ?? titleInJest());
}

interface Task {
  name: string;
  suite?: Task;
}

function titleOfTask({ name, suite }: Task): string {
  return suite?.name ? `${titleOfTask(suite)} ${name}` : name;
}

function titleInJest(): string | undefined {
  const { expect } = globalThis as { expect?: { getState?(): { currentTestName?: string } } };
  return expect?.getState?.().currentTestName;
}
