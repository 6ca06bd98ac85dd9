// PostgreSQL, whose backends and postmaster are killed and stopped. The transfers have an ordinary role.
import { Client, type QueryResultRow } from 'pg';
import { ordinaryUrl } from '../../spec/support/database';
import { FaultProxy } from '../../spec/support/fault-proxy';
import { PostgresServer } from '../../spec/support/postgres-server';
import { cutAndKill, proxyFaults } from './proxy-faults';
import type { Random } from './random';
import { type Fault, type LedgerRow, pause, TABLES, type World } from './world';

const ATTEMPTS = 200;

export class PostgresWorld implements World {
  readonly name = 'PostgreSQL';
  readonly verifiesCommits = true;
  readonly proxy: FaultProxy;
  readonly faults: Record<string, Fault>;
  readonly #server: PostgresServer;
  readonly #url: URL;

  static async create(): Promise<PostgresWorld> {
    const server = await PostgresServer.create();
    const url = new URL(await ordinaryUrl(server.url));
    const proxy = await FaultProxy.to({ port: server.port });
    const world = new PostgresWorld(server, url, proxy);
    await world.#asOwner(TABLES.join(';'));
    return world;
  }

  private constructor(server: PostgresServer, url: URL, proxy: FaultProxy) {
    this.#server = server;
    this.#url = url;
    this.proxy = proxy;
    this.faults = {
      ...proxyFaults(proxy),
      'backend terminated': (random) => this.#terminate(random),
      'backend killed (kill -9)': (random) => this.#kill(random),
      'backend stopped (SIGSTOP)': (random) => this.#freeze(random),
      'server restarted': (random) => server.restart(random.oneOf(['fast', 'immediate'] as const)),
      'server killed (kill -9)': () => server.restart('crash'),
      'COMMIT lost, then server killed': () => cutAndKill(proxy, () => server.restart('crash')),
    };
  }

  get config() {
    const { username: user, password, pathname } = this.#url;
    const connection = { host: '127.0.0.1', port: this.proxy.port, user, password, database: pathname.slice(1) };
    return { client: 'pg', connection };
  }

  async ledger(): Promise<LedgerRow[]> {
    return this.#asOwner<LedgerRow>('select id, payer, payee, amount from ledger order by id');
  }

  async balances(): Promise<Map<number, number>> {
    const rows = await this.#asOwner<{ id: number; balance: string }>('select id, balance from accounts');
    return new Map(rows.map(({ id, balance }) => [id, Number(balance)]));
  }

  async left(): Promise<string[]> {
    const rows = await this.#asSuperuser<{ pid: number; state: string; query: string }>(
      'select pid, state, query from pg_stat_activity where usename = $1',
      [this.#url.username],
    );
    return rows.map(({ pid, state, query }) => `backend ${pid}, ${state}: ${query}`);
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.#server.dispose();
  }

  async #terminate(random: Random): Promise<void> {
    const pid = await this.#backend(random);
    if (pid !== undefined) await this.#asSuperuser('select pg_terminate_backend($1)', [pid]);
  }

  /** The postmaster ends all others as well then, and recovers. */
  async #kill(random: Random): Promise<void> {
    const pid = await this.#backend(random);
    if (pid !== undefined) signal(pid, 'SIGKILL');
  }

  async #freeze(random: Random): Promise<void> {
    const pid = await this.#backend(random);
    if (pid === undefined) return;
    signal(pid, 'SIGSTOP');
    await pause(random.between(50, 1500));
    signal(pid, 'SIGCONT');
  }

  async #backend(random: Random): Promise<number | undefined> {
    const rows = await this.#asSuperuser<{ pid: number }>('select pid from pg_stat_activity where usename = $1', [
      this.#url.username,
    ]);
    return rows.length > 0 ? random.oneOf(rows).pid : undefined;
  }

  #asOwner<R extends QueryResultRow>(sql: string): Promise<R[]> {
    return ask<R>(this.#url.href, sql);
  }

  #asSuperuser<R extends QueryResultRow>(sql: string, bindings: unknown[]): Promise<R[]> {
    return ask<R>(this.#server.url, sql, bindings);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    // It has gone by itself.
  }
}

/** Asks on a connection of its own, again and again while the server is on its way back. */
async function ask<R extends QueryResultRow>(
  connectionString: string,
  sql: string,
  bindings?: unknown[],
): Promise<R[]> {
  for (let attempt = 1; ; attempt++) {
    const client = new Client({ connectionString, application_name: 'observer' });
    client.on('error', () => {}); // connect() and query() tell
    try {
      await client.connect();
      return (await client.query<R>(sql, bindings)).rows;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await pause(50);
    } finally {
      client.end().catch(() => {});
    }
  }
}
