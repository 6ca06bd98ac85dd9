// The tests that may be skipped where every server and driver is installed (FAIL_ON_SKIPS, as in CI), each with its reason.

interface NamedSkip {
  /** Of the whole title. */
  title: RegExp;
  reason: string;
  /** Whether the reason holds in this run. */
  holds: () => boolean;
}

const NAMED_SKIPS: NamedSkip[] = [
  {
    title: /\(skipped: connectionPool: from knex 3\.2 on\)/,
    reason: 'an older Knex takes no pool of the user’s',
    holds: () => ['knex30', 'knex31'].includes(process.env.KNEX_BUILD ?? ''),
  },
  {
    title: /\(skipped: validate: from knex 3\.2 on\)/,
    reason: 'an older Knex has checks of its own alone',
    holds: () => ['knex30', 'knex31'].includes(process.env.KNEX_BUILD ?? ''),
  },
  {
    title: /\(skipped: pg keeps no stream factory\)/,
    reason: 'pg keeps no stream factory of a client that the user made, so that nothing can be cancelled',
    holds: () => process.env.SPEC_WAY === 'stream',
  },
];

/** Whether a skip counts as a failure. */
export function isUnnamed(title: string): boolean {
  const isNamed = NAMED_SKIPS.some((named) => named.title.test(title) && named.holds());
  return Boolean(process.env.FAIL_ON_SKIPS) && !isNamed;
}
