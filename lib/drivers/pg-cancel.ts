// Ways to a PostgreSQL session besides its own connection: the wire's CancelRequest, and a second connection that terminates backends.
import { type TimeLimit, within } from '../words/waiting';
import type { SideConnection } from './driver';
import type { PgConnection, Wire } from './pg-client';

const ignore = () => {};

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS */
export async function cancel(connection: PgConnection, limit: TimeLimit): Promise<boolean> {
  const { processID, secretKey, host, port, ssl, sslNegotiation } = connection;
  if (processID === null) return true;
  const WireClass = connection.connection.constructor as new (options: object) => Wire;
  const wire = new WireClass({ ssl, sslNegotiation });
  // The server answers by closing, once the signal is sent.
  const closed = new Promise<boolean>((resolve) => {
    wire.on('end', () => resolve(true)).on('error', () => resolve(true));
  });
  const request = () => wire.cancel(processID, secretKey);
  wire.on('connect', () => {
    if (!ssl) request();
    else if (sslNegotiation !== 'direct') wire.requestSsl();
  });
  wire.on('sslconnect', request);
  if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
  else wire.connect(port, host);
  const isDelivered = await within(limit, closed);
  wire.stream.destroy();
  return isDelivered === true;
}

/** Another connection like this one: same server, same role. */
function connectLike(connection: PgConnection): PgConnection {
  const { user, database, application_name, client_encoding } = connection.connectionParameters;
  const { host, port, password, ssl, sslNegotiation } = connection;
  const ConnectionClass = connection.constructor as new (config: object) => PgConnection;
  const config = { user, database, application_name, client_encoding, host, port, password, ssl };
  return new ConnectionClass({ ...config, sslnegotiation: sslNegotiation });
}

export function openSideConnection(connection: PgConnection): SideConnection {
  const spare = connectLike(connection);
  spare.on('error', ignore);
  const ended = new Promise<void>((resolve) => {
    spare.on('end', resolve);
  });
  const connected = spare.connect();
  connected.catch(ignore);
  return {
    async terminate(backendId) {
      await connected;
      await spare.query('select pg_terminate_backend($1)', [backendId]);
      const isThere = 'select 1 from pg_stat_activity where pid = $1';
      while (((await spare.query(isThere, [backendId])) as { rows: unknown[] }).rows.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close(timeoutMillis) {
      const isConnected = await within(
        0,
        connected.then(
          () => true,
          () => true,
        ),
      );
      if (isConnected) spare.end().catch(ignore);
      else spare.connection.stream.destroy();
      if (
        (await within(
          timeoutMillis,
          ended.then(() => true),
        )) !== true
      )
        spare.connection.stream.destroy();
    },
  };
}
