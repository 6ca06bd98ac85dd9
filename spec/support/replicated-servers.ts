// A primary and its hot standby. What the primary acknowledges is on the standby, so that a promotion loses nothing.
import { Client } from 'pg';
import { PostgresServer } from './postgres-server';
import { until } from './until';

export class ReplicatedServers {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;

  /** `settings` are postgresql.conf settings of both. */
  static async create(settings: Record<string, string> = {}): Promise<ReplicatedServers> {
    const primary = await PostgresServer.create(settings);
    try {
      const servers = new ReplicatedServers(primary, await primary.makeStandby(settings));
      await servers.#replicate();
      return servers;
    } catch (error) {
      await primary.dispose();
      throw error;
    }
  }

  private constructor(primary: PostgresServer, standby: PostgresServer) {
    this.primary = primary;
    this.standby = standby;
  }

  /** Resolves once the standby is a primary of its own, and takes writes. */
  async promote(): Promise<void> {
    await superuser(this.standby, 'select pg_promote(true)');
  }

  async dispose(): Promise<void> {
    await Promise.all([this.primary.dispose(), this.standby.dispose()]);
  }

  /** From here on a COMMIT waits until the standby has it. */
  async #replicate(): Promise<void> {
    await superuser(this.primary, "alter system set synchronous_standby_names = '*'");
    await superuser(this.primary, 'select pg_reload_conf()');
    const replicas = "select count(*)::int as n from pg_stat_replication where sync_state = 'sync'";
    await until('the standby follows', async () => (await superuser(this.primary, replicas))[0]?.n === 1, {
      timeoutMillis: 15_000,
    });
  }
}

/** Runs one statement as a superuser, on a connection of its own. */
export async function superuser(server: PostgresServer, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url, application_name: 'observer' });
  client.on('error', () => {}); // connect() and query() tell
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
