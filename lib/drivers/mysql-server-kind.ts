// MySQL and MariaDB: whether a server takes writes. There is no word for what follows another server.
import { type MysqlConnection, socketOf } from './mysql-wire';
import type { ServerKind } from './server-kind';

const ASK = 'SELECT @@global.read_only AS readOnly, @@global.innodb_read_only AS innodbReadOnly';
const OFF = new Set(['0', 'OFF']);

export async function mysqlServerKind(
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
