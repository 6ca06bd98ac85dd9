// How often a spec repeats what takes long: once in `npm test`, as often as it is worth in `npm run test:soak`.

/** The first of the cases; all of them in a soak, which runs the files that `test:soak` names. */
export function casesOf<T>(first: T, ...others: T[]): T[] {
  return process.env.SOAK ? [first, ...others] : [first];
}
