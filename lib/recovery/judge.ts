// Whether an error ends its connection: the built-in classifier, and the user's override of it with its guard.
import { isFatal } from '../drivers/fatal-errors';
import { inBackground, textOf, warn } from '../words/foreign';
import { refuse, type Settings } from '../words/options';

/** The built-in verdict, or the user's. One that throws, or says neither true nor false, is reported as a warning and has no say. */
export function judge(
  error: unknown,
  { isFatal: override }: Pick<Settings, 'isFatal'>,
  isWrongServer: boolean,
): boolean {
  const standard = isWrongServer || isFatal(error);
  // A transaction that is rolled back without an error has none to judge.
  if (!override || error === undefined) return standard;
  try {
    const verdict: unknown = override(error, standard);
    if (typeof verdict === 'boolean') return verdict;
    // What an async function rejects with would otherwise end the process.
    inBackground(Promise.resolve(verdict).then(() => {}));
    refuse('resettable: isFatal', verdict, 'it to return true or false');
  } catch (thrown) {
    warn(thrown instanceof Error ? thrown : new Error(`isFatal threw ${textOf(thrown)}`));
  }
  return standard;
}
