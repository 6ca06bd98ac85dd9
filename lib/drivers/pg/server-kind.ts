// PostgreSQL 14 and later reports to each session whether the server is a standby, and whether sessions are read-only.
import type { Socket } from 'node:net';
import type { PgConnection } from './client';
import type { AskedServerKind, ServerKind } from '../server-kind';

/** On the wire itself: whether each of the parameters is on, once the server has told. */
const STANDBY = Symbol('knex-reset.in_hot_standby');
const READ_ONLY = Symbol('knex-reset.default_transaction_read_only');
const ASK = `SELECT pg_catalog.pg_backend_pid() AS id, pg_catalog.pg_is_in_recovery() AS standby,
  pg_catalog.current_setting('transaction_read_only') AS "readOnly"`;

interface Told {
  [STANDBY]?: boolean;
  [READ_ONLY]?: boolean;
}

/** Keeps what the server says of itself on a connection that is about to be opened. */
export function keepParameters(connection: PgConnection): void {
  connection.connection.on('parameterStatus', keep);
}

function keep(this: Told, told: { parameterName: string; parameterValue: string }): void {
  const isOn = told.parameterValue === 'on';
  if (told.parameterName === 'in_hot_standby') this[STANDBY] = isOn;
  else if (told.parameterName === 'default_transaction_read_only') this[READ_ONLY] = isOn;
}

/** Undefined: a server before 14, or a pooler that does not pass it on. */
export function toldServerKind(connection: PgConnection): ServerKind | undefined {
  const { [STANDBY]: standby, [READ_ONLY]: readOnly } = connection.connection as Told;
  if (standby === undefined || readOnly === undefined) return undefined;
  return { isStandby: standby, isReadOnly: standby || readOnly, address: addressOf(connection) };
}

export async function askServerKind(
  connection: PgConnection,
  ask: (sql: string) => Promise<unknown>,
): Promise<AskedServerKind> {
  const { rows } = (await ask(ASK)) as { rows: [{ id: number; standby: boolean; readOnly: string }] };
  const [{ id, standby, readOnly }] = rows;
  return {
    isStandby: standby,
    isReadOnly: standby || readOnly === 'on',
    address: addressOf(connection),
    isDirect: id === connection.processID,
  };
}

/** The socket's: behind a stream factory the settings tell nothing. */
function addressOf({ connection, host, port }: PgConnection): string | undefined {
  const { remoteAddress, remotePort } = connection.stream as Partial<Socket>;
  if (remoteAddress) return `${remoteAddress}:${remotePort}`;
  // A Unix socket's is its file.
  return host?.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined;
}
