// Tells whether a MySQL or MariaDB server takes writes. Such a server does not say whether it is a standby.
import { type MysqlConnection, socketOf } from './wire';
import type { ServerKind } from '../server-kind';

const ASK = 'SELECT @@global.read_only AS readOnly, @@global.innodb_read_only AS innodbReadOnly';
const OFF = new Set(['0', 'OFF']);

export async function askServerKind(
  connection: MysqlConnection,
  ask: (sql: string) => Promise<unknown>,
): Promise<ServerKind> {
  const [row] = (await ask(ASK)) as [Record<string, unknown>];
  const { remoteAddress, remotePort } = socketOf(connection);
  return {
    isReadOnly: Object.values(row).some((value) => !OFF.has(String(value))),
    address: remoteAddress && `${remoteAddress}:${remotePort}`,
  };
}
