// PostgreSQL 14 and later reports to each session whether the server is a standby, and whether sessions are read-only.
import type { Socket } from 'node:net';
import type { PgConnection } from './client';
import type { ServerKind } from '../server-kind';

const PARAMETERS = Symbol('knex-reset.parameters');
const TOLD = ['in_hot_standby', 'default_transaction_read_only'] as const;
const ASK = `SELECT pg_catalog.pg_is_in_recovery() AS standby, pg_catalog.current_setting('transaction_read_only') AS "readOnly"`;

type Parameters = Partial<Record<string, string>>;
type Watched = PgConnection & { [PARAMETERS]?: Parameters };

/** Keeps what the server says of itself on a connection that is about to be opened. */
export function keepParameters(connection: PgConnection): void {
  const parameters: Parameters = {};
  (connection as Watched)[PARAMETERS] = parameters;
  connection.connection.on('parameterStatus', (told: { parameterName: string; parameterValue: string }) => {
    if (TOLD.some((name) => name === told.parameterName)) parameters[told.parameterName] = told.parameterValue;
  });
}

/** Asks only a server that has not told: one before 14, or a pooler. */
export async function pgServerKind(
  connection: PgConnection,
  ask: (sql: string) => Promise<unknown>,
): Promise<ServerKind> {
  const { in_hot_standby: standby, default_transaction_read_only: readOnly } =
    (connection as Watched)[PARAMETERS] ?? {};
  const address = addressOf(connection);
  if (standby !== undefined && readOnly !== undefined) {
    const isStandby = standby === 'on';
    return { isStandby, isReadOnly: isStandby || readOnly === 'on', address };
  }
  const { rows } = (await ask(ASK)) as { rows: [{ standby: boolean | string; readOnly: string }] };
  const [row] = rows;
  // A type parser of the user's may have left it as text.
  const isStandby = row.standby === true || row.standby === 't';
  return { isStandby, isReadOnly: isStandby || row.readOnly === 'on', address };
}

/** The socket's: behind a stream factory the settings tell nothing. */
function addressOf({ connection }: PgConnection): string | undefined {
  const { remoteAddress, remotePort } = connection.stream as Partial<Socket>;
  return remoteAddress && `${remoteAddress}:${remotePort}`;
}
