// What a connection owes: for each Query and each Sync that is sent the server says once that it is ready again. A connection that owes
// another number than none while nothing runs is out of step: its next statements would get the answers of others. A ledger has no function
// of its own: each connection of the pool would carry them.
import type { PgConnection, Wire } from './client';

const LEDGER = Symbol('knex-reset.ledger');

interface Ledger {
  owed: number;
  /** What sends, uncounted. */
  readonly query: Wire['query'];
  readonly sync: Wire['sync'];
}

interface Kept {
  [LEDGER]?: Ledger;
}

/** Counts from now on. */
export function keepLedger(wire: Wire, isReady: boolean): void {
  (wire as Kept)[LEDGER] = { owed: isReady ? 0 : 1, query: wire.query, sync: wire.sync };
  wire.prependListener('readyForQuery', settled);
  wire.query = countedQuery;
  wire.sync = countedSync;
}

export function closeLedger(wire: Wire): void {
  const ledger = (wire as Kept)[LEDGER];
  if (!ledger) return;
  wire.off('readyForQuery', settled);
  restore(wire, 'query', ledger.query);
  restore(wire, 'sync', ledger.sync);
  delete (wire as Kept)[LEDGER];
}

/** True also where nobody counts. */
export function isInStep({ connection: wire }: PgConnection): boolean {
  return ((wire as Kept)[LEDGER]?.owed ?? 0) === 0;
}

function settled(this: Kept): void {
  if (this[LEDGER]) this[LEDGER].owed--;
}

function countedQuery(this: Wire & Kept, text?: string): void {
  send(this, 'query', text);
}

function countedSync(this: Wire & Kept): void {
  send(this, 'sync');
}

function send(wire: Wire & Kept, name: 'query' | 'sync', text?: string): void {
  const ledger = wire[LEDGER];
  if (ledger) ledger.owed++;
  const uncounted = ledger?.[name] ?? (Object.getPrototypeOf(wire) as Wire)[name];
  uncounted.call(wire, text);
}

/** Most wires have these methods from their class, and none of their own. */
function restore(wire: Wire, name: 'query' | 'sync', earlier: Wire['query']): void {
  delete (wire as Partial<Wire>)[name];
  if (wire[name] !== earlier) wire[name] = earlier;
}
