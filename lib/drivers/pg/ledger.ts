// What a connection owes: for each Query and each Sync that is sent the server says once that it is ready again. A connection that owes
// another number than none while nothing runs is out of step: its next statements would get the answers of others.
import type { PgConnection, Wire } from './client';

const OWED = Symbol('knex-reset.owed');

interface Kept {
  [OWED]?: number;
}

/** Counts from now on. Returns the undo. */
export function keepLedger(connection: PgConnection): () => void {
  const kept = connection as PgConnection & Kept;
  const wire = connection.connection;
  kept[OWED] = connection.readyForQuery === false ? 1 : 0;
  const settled = () => {
    kept[OWED] = (kept[OWED] ?? 0) - 1;
  };
  wire.prependListener('readyForQuery', settled);
  const restore = [counted(kept, wire, 'query'), counted(kept, wire, 'sync')];
  return () => {
    wire.off('readyForQuery', settled);
    for (const undo of restore) undo();
    delete kept[OWED];
  };
}

/** True also where nobody counts. */
export function isInStep(connection: PgConnection): boolean {
  return ((connection as PgConnection & Kept)[OWED] ?? 0) === 0;
}

function counted(kept: Kept, wire: Wire, name: 'query' | 'sync'): () => void {
  const send = wire[name];
  const wasOwn = Object.hasOwn(wire, name);
  const counting = (text?: string): void => {
    kept[OWED] = (kept[OWED] ?? 0) + 1;
    send.call(wire, text);
  };
  wire[name] = counting;
  return () => {
    if (wasOwn) wire[name] = send;
    else delete (wire as Partial<Wire>)[name];
  };
}
