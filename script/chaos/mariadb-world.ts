// MariaDB, whose threads are killed and whose server is stopped and killed. The transfers have an ordinary user.
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { FaultProxy } from '../../spec/support/fault-proxy';
import { MariadbServer } from '../../spec/support/mariadb-server';
import { cutAndKill, proxyFaults } from './proxy-faults';
import type { Random } from './random';
import { type Fault, type LedgerRow, pause, TABLES, type World } from './world';

const ACCOUNT = { user: 'chaos', password: 'secret', database: 'chaos' };
const ATTEMPTS = 200;

export class MariadbWorld implements World {
  readonly name = 'MariaDB';
  readonly verifiesCommits = false;
  readonly proxy: FaultProxy;
  readonly faults: Record<string, Fault>;
  readonly #server: MariadbServer;

  static async create(): Promise<MariadbWorld> {
    // Its log is with the operating system at each COMMIT, so that a killed server loses nothing.
    const server = await MariadbServer.create({ 'innodb-flush-log-at-trx-commit': '2' });
    const proxy = await FaultProxy.to({ port: server.port, protocol: 'raw' });
    const world = new MariadbWorld(server, proxy);
    await world.#asRoot(`create database ${ACCOUNT.database}`, '');
    await world.#asRoot(`create user ${ACCOUNT.user}@'%' identified by '${ACCOUNT.password}'`);
    await world.#asRoot(`grant all on ${ACCOUNT.database}.* to ${ACCOUNT.user}@'%'`);
    for (const sql of TABLES) await world.#asRoot(sql);
    return world;
  }

  private constructor(server: MariadbServer, proxy: FaultProxy) {
    this.#server = server;
    this.proxy = proxy;
    this.faults = {
      ...proxyFaults(proxy),
      'thread killed': (random) => this.#kill(random),
      'server stopped (SIGSTOP)': async (random) => {
        server.signal('SIGSTOP');
        await pause(random.between(50, 1500));
        server.signal('SIGCONT');
      },
      'server killed (kill -9)': () => server.restart('SIGKILL'),
      'COMMIT lost, then server killed': () => cutAndKill(proxy, () => server.restart('SIGKILL')),
      'server restarted': () => server.restart('SIGTERM'),
    };
  }

  get config() {
    return { client: 'mysql2', connection: { host: '127.0.0.1', port: this.proxy.port, ...ACCOUNT } };
  }

  async ledger(): Promise<LedgerRow[]> {
    return (await this.#asRoot('select id, payer, payee, amount from ledger order by id')) as never;
  }

  async balances(): Promise<Map<number, number>> {
    const rows = await this.#asRoot('select id, balance from accounts');
    return new Map(rows.map(({ id, balance }) => [Number(id), Number(balance)]));
  }

  async left(): Promise<string[]> {
    const rows = await this.#threads();
    return rows.map(({ id, info }) => `thread ${id}: ${info}`);
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.#server.dispose();
  }

  async #kill(random: Random): Promise<void> {
    const threads = await this.#threads();
    if (threads.length === 0) return;
    // It may have gone by itself meanwhile, which the server takes for an error.
    await this.#asRoot(`kill ${random.oneOf(threads).id}`, ACCOUNT.database, 1).catch(() => {});
  }

  #threads(): Promise<RowDataPacket[]> {
    return this.#asRoot(`select id, info from information_schema.processlist where user = '${ACCOUNT.user}'`);
  }

  /** Asks on a connection of its own, again and again while the server is on its way back. */
  async #asRoot(sql: string, database = ACCOUNT.database, attempts = ATTEMPTS): Promise<RowDataPacket[]> {
    for (let attempt = 1; ; attempt++) {
      let connection: mysql.Connection | undefined;
      try {
        connection = await mysql.createConnection({ ...this.#server.root, ...(database && { database }) });
        const [rows] = await connection.query<RowDataPacket[]>(sql);
        return rows;
      } catch (error) {
        if (attempt >= attempts) throw error;
        await pause(50);
      } finally {
        connection?.destroy();
      }
    }
  }
}
