// In dist/, the code of transactions is in a file of its own. It is read while the first connection is being opened: so it takes no time of the
// first transaction's, and does not depend on files that may be gone by then (a deployment, mock-fs).
import { beginTransaction } from './begin';
import { valueOr } from '../words/foreign';

/** Reads it, if it has not been read, and passes on what is being opened. Where it cannot be read, the first transaction tries again. */
export function readAhead<T>(opening: T): T {
  valueOr(undefined, () => beginTransaction);
  return opening;
}
