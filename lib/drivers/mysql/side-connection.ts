// A second connection to the same MySQL server, as the same user: it kills statements and sessions.
import { type TimeLimit, within } from '../../words/waiting';
import { means } from '../error-codes';
import type { SideConnection } from '../side-connection';
import { PLAIN_ROWS } from './plain-rows';
import { classOf, cut, type MysqlConnection, quit, socketOf } from './wire';

const ignore = () => {};

/** Another connection like this one: same server, same user. It holds no process alive. */
export class SecondConnection {
  readonly #connection: MysqlConnection;
  readonly connected: Promise<void>;
  readonly #ended: Promise<void>;

  constructor(first: MysqlConnection, { isCutWithFirst }: { isCutWithFirst: boolean }) {
    // Its database may be gone; and the drivers' limit for connecting is a timer that keeps the process alive.
    const config = Object.create(first.config, { database: { value: undefined }, connectTimeout: { value: 0 } });
    const connection = new (classOf(first))({ config });
    connection.on('error', ignore);
    this.connected = new Promise((resolve, reject) => {
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
    this.connected.catch(ignore);
    this.#connection = connection;
    const socket = socketOf(connection).unref();
    this.#ended = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    if (!isCutWithFirst) return;
    socketOf(first).once('close', this.cut);
    socket.once('close', () => socketOf(first).off('close', this.cut));
  }

  readonly cut = (): void => cut(this.#connection);

  async send(sql: string): Promise<unknown> {
    await this.connected;
    return new Promise((resolve, reject) => {
      const answered = (error: Error | null, result: unknown) => (error ? reject(error) : resolve(result));
      this.#connection.query({ sql, ...PLAIN_ROWS }, answered);
    });
  }

  async close(limit: TimeLimit): Promise<void> {
    const isConnected = await within(
      0,
      this.connected.then(() => true),
    );
    if (!isConnected) return this.cut();
    quit(this.#connection);
    await within(limit, this.#ended);
    this.cut();
  }
}

export function openSideConnection(connection: MysqlConnection): SideConnection {
  const second = new SecondConnection(connection, { isCutWithFirst: false });
  return {
    async terminate(sessions) {
      // A restarted server gives ids from the start again.
      const [uptime] = (await second.send("SHOW GLOBAL STATUS LIKE 'Uptime'")) as { Value: string }[];
      const sinceStart = sessions.filter(({ ageMillis }) => ageMillis / 1000 <= Number(uptime?.Value) + 1);
      const there = await sessionsThere(second, sinceStart);
      for (const { id, info } of there) {
        const isSpared = sessions.some((session) => session.id === id && session.sparesCommit);
        if (isSpared && /^\s*commit/i.test(info ?? '')) continue;
        await second.send(`KILL ${id}`).catch((error: unknown) => {
          if (!means(error, 'noSession')) throw error;
        });
      }
      return (await sessionsThere(second, there)).map(({ id }) => id);
    },
    close: (limit) => second.close(limit),
  };
}

/** Those of the same user that the server has. */
async function sessionsThere(
  second: SecondConnection,
  sessions: { id: number }[],
): Promise<{ id: number; info: string | null }[]> {
  if (sessions.length === 0) return [];
  const ids = sessions.map(({ id }) => id).join(', ');
  const own = "user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) OR user = SUBSTRING_INDEX(USER(), '@', 1)";
  const sql = `SELECT id AS id, info AS info FROM information_schema.processlist WHERE id IN (${ids}) AND (${own})`;
  const rows = (await second.send(sql)) as { id: number | string; info: string | null }[];
  return rows.map(({ id, info }) => ({ id: Number(id), info }));
}

export function isSameServer(one: MysqlConnection, other: MysqlConnection): boolean {
  const keys = ['host', 'port', 'socketPath', 'user', 'stream'] as const;
  return keys.every((key) => one.config[key] === other.config[key]);
}
