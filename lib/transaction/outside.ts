// `db.outside()`: work that does not belong to the block or sandbox around it.
import { refuse } from '../words/options';
import type { Awaitable } from '../words/block-types';
import type { Ambient } from '../pool/ambient';

export async function runOutside<T>(ambient: Ambient, work: () => Awaitable<T>): Promise<T> {
  if (typeof work !== 'function') refuse('outside', work, 'a function as the work');
  // A builder that is returned runs when it is first waited for, which has to be outside too.
  return ambient.runOutside(async () => await work());
}
