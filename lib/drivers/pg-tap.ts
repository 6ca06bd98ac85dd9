// Makes every statement on a connection of `pg` pass through the line.
import type { Line } from './driver';
import type { Callback, PgConnection, Query } from './pg-client';
import { EarlierFlight, QueryFlight, StreamFlight } from './pg-flights';

export function tap(connection: PgConnection, line: Line): () => void {
  const send = connection.query;
  const wasOwn = Object.hasOwn(connection, 'query');
  const onError = (error: Error) => line.died(error);
  const onEnd = () => line.ended();
  connection.on('error', onError).on('end', onEnd);

  if (!connection.pipeline) {
    if (connection.readyForQuery === false) line.ask(new EarlierFlight(connection, line));
    const tapped: Query = (config, values, callback) => {
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
    connection.query = tapped;
  }

  return () => {
    connection.off('error', onError).off('end', onEnd);
    if (wasOwn) connection.query = send;
    else delete (connection as Partial<PgConnection>).query;
  };
}
