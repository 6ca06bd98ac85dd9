// The tests that may be skipped where every server and driver is installed (FAIL_ON_SKIPS, as in CI), each with its reason.

interface NamedSkip {
  title: RegExp;
  reason: string;
}

const NAMED_SKIPS: NamedSkip[] = [];

/** Whether a skip counts as a failure. */
export function isUnnamed(title: string): boolean {
  return Boolean(process.env.FAIL_ON_SKIPS) && !NAMED_SKIPS.some((named) => named.title.test(title));
}
