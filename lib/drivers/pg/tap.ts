// Passes every statement on a connection of `pg` through the statement queue.
import type { StatementSink } from '../statement-sink';
import type { Callback, PgConnection, Query } from './client';
import { listen, stopListening } from './heard';
import { closeLedger, keepLedger } from './ledger';
import { rememberAddress } from './way';
import { EarlierStatement, QueryStatement, StreamStatement } from './statements';

/** On the wire: how many taps its connection has. Of two instances one may have lent it to the other, and it is watched once for both. */
const TAPS = Symbol('knex-reset.taps');

interface Tapped {
  [TAPS]?: number;
}

export function tap(connection: PgConnection, sink: StatementSink): () => void {
  const send = connection.query;
  const wasOwn = Object.hasOwn(connection, 'query');
  const onError = (error: Error) => sink.died(error);
  const onEnd = () => sink.ended(isOrderly(connection));
  rememberAddress(connection);
  watchWire(connection);
  connection.on('error', onError).on('end', onEnd);
  if (connection.readyForQuery === false) sink.ask(new EarlierStatement(connection, sink));
  const tapped: Query = (config, values, callback) => {
    const given = typeof values === 'function' ? (values as Callback) : callback;
    const bindings = typeof values === 'function' ? undefined : values;
    if (typeof config === 'object' && config !== null && 'submit' in config) {
      sink.ask(new StreamStatement(connection, sink, send, config, bindings, given));
      return config;
    }
    const answer = given ?? (typeof config === 'object' ? config?.callback : undefined);
    if (answer) {
      sink.ask(new QueryStatement(connection, sink, send, config, bindings, answer));
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settle: Callback = (error, result) => (error ? reject(error) : resolve(result));
      sink.ask(new QueryStatement(connection, sink, send, config, bindings, settle));
    });
  };
  connection.query = tapped;

  return () => {
    leaveWire(connection);
    connection.off('error', onError).off('end', onEnd);
    if (wasOwn) connection.query = send;
    else delete (connection as Partial<PgConnection>).query;
  };
}

function watchWire({ connection: wire, readyForQuery }: PgConnection): void {
  const taps = ((wire as Tapped)[TAPS] ?? 0) + 1;
  (wire as Tapped)[TAPS] = taps;
  if (taps > 1) return;
  listen(wire);
  keepLedger(wire, readyForQuery !== false);
}

function leaveWire({ connection: wire }: PgConnection): void {
  const taps = ((wire as Tapped)[TAPS] ?? 1) - 1;
  (wire as Tapped)[TAPS] = taps;
  if (taps > 0) return;
  closeLedger(wire);
  stopListening(wire);
}

/** When the server ends the connection, its stream is read to the end. A broken or destroyed socket only closes. */
function isOrderly({ connection: { stream } }: PgConnection): boolean {
  return stream.readableEnded && !stream.errored;
}
