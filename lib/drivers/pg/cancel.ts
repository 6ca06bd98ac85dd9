// The protocol's CancelRequest: a short connection of its own, which carries the key of the session.
import { type TimeLimit, within } from '../../words/waiting';
import type { PgConnection, Wire } from './client';
import { waitsForCopy } from './heard';
import { factoryOf } from './way';

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS */
export async function cancel(connection: PgConnection, limit: TimeLimit): Promise<boolean> {
  // It cannot hit a later statement, unlike the request: a server that waits for no data ignores it.
  if (waitsForCopy(connection)) connection.connection.sendCopyFail('it was stopped by knex-reset');
  const { processID, secretKey, host, port, ssl, sslNegotiation } = connection;
  if (processID === null) return true;
  const WireClass = connection.connection.constructor as new (options: object) => Wire;
  const stream = factoryOf(connection);
  const wire = new WireClass({ ssl, sslNegotiation, ...(stream && { stream }) });
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
