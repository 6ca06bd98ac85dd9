// Makes every statement on a connection of `pg` pass through the line.
import type { Duplex } from 'node:stream';
import type { Line } from './driver';
import type { Callback, PgConnection } from './pg-client';
import { EarlierFlight, QueryFlight, StreamFlight } from './pg-flights';

export function tap(connection: PgConnection, line: Line): () => void {
  const send = connection.query;
  const wasOwn = Object.hasOwn(connection, 'query');
  const onError = (error: Error) => line.died(error);
  const onEnd = () => line.ended();
  const stream = connection.connection?.stream as Partial<Duplex> | undefined;
  connection.on('error', onError).on('end', onEnd);
  // After a goodbye the server is gone as soon as it has closed its side; pg says so a turn later, when ours is closed too.
  const onHalfClosed = () => {
    if (connection._ending) line.ended();
  };
  stream?.on?.('end', onHalfClosed);

  if (!connection.pipeline) {
    if (connection.readyForQuery === false) line.ask(new EarlierFlight(connection, line));
    connection.query = (config, values, callback) => {
      const given = typeof values === 'function' ? (values as Callback) : callback;
      const bindings = typeof values === 'function' ? undefined : values;
      if (typeof config === 'object' && config !== null && 'submit' in config) {
        line.ask(new StreamFlight(connection, line, send, config, bindings, given));
        return config;
      }
      const answer = given ?? (typeof config === 'object' ? config?.callback : undefined);
      if (answer) {
        line.ask(new QueryFlight(connection, line, send, config, bindings, answer));
        return undefined;
      }
      return new Promise((resolve, reject) => {
        const settle: Callback = (error, result) => (error ? reject(error) : resolve(result));
        line.ask(new QueryFlight(connection, line, send, config, bindings, settle));
      });
    };
  }

  return () => {
    connection.off('error', onError).off('end', onEnd);
    stream?.off?.('end', onHalfClosed);
    if (wasOwn) connection.query = send;
    else delete (connection as Partial<PgConnection>).query;
  };
}
