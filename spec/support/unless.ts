// Suites and tests that need what not every machine has. Where it is missing they are skipped, and their titles say why: with FAIL_ON_SKIPS
// each of them fails the run, unless named-skips.ts knows that reason.

/** @param reason why it is skipped; undefined: it runs */
export function describeUnless(reason: string | undefined, title: string, suite: () => void): void {
  const register = reason === undefined ? describe : describe.skip;
  register(titled(title, reason), suite);
}

/** @param reason why it is skipped; undefined: it runs */
export function itUnless(reason: string | undefined, title: string, test: (this: Mocha.Context) => unknown): void {
  const register = reason === undefined ? it : it.skip;
  register(titled(title, reason), test);
}

function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (skipped: ${reason})`;
}
