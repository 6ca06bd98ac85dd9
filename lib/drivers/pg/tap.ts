// Passes every statement on a connection of `pg` through the statement queue.
import type { StatementSink } from '../statement-sink';
import type { Callback, PgConnection, Query } from './client';
import { listen, stopListening } from './heard';
import { keepLedger, leaveLedger } from './ledger';
import { rememberAddress } from './way';
import { EarlierStatement, QueryStatement, StreamStatement } from './statements';

export function tap(connection: PgConnection, sink: StatementSink): () => void {
  const send = connection.query;
  const wasOwn = Object.hasOwn(connection, 'query');
  const onError = (error: Error) => sink.died(error);
  const onEnd = () => sink.ended(isOrderly(connection));
  rememberAddress(connection);
  listen(connection);
  connection.on('error', onError).on('end', onEnd);

  keepLedger(connection);
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
    leaveLedger(connection);
    stopListening(connection);
    connection.off('error', onError).off('end', onEnd);
    if (wasOwn) connection.query = send;
    else delete (connection as Partial<PgConnection>).query;
  };
}

/** When the server ends the connection, its stream is read to the end. A broken or destroyed socket only closes. */
function isOrderly({ connection: { stream } }: PgConnection): boolean {
  return stream.readableEnded && !stream.errored;
}
