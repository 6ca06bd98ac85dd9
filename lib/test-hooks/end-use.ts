// Ends one use of a connection, as a reset does with each: its asker is told, and the connection is closed.
import { ResetError } from '../words/errors';
import type { Hooked } from './isolation';
import { REASON } from './unheard';

type Register = Hooked['instance']['pool']['register'];
export type Connection = Parameters<Register['discard']>[0];

export async function endUse({ open, pool, resets }: Hooked['instance'], connection: Connection): Promise<void> {
  const entry = [...open].find((each) => each.connection === connection);
  const error = new ResetError({ reason: REASON, generation: resets.count });
  connection.refuse(entry?.abort(error) ?? error);
  await pool.register.discard(connection);
  entry?.settle();
}
