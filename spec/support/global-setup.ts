// Gives the run a database server: that of DATABASE_URL, or else one of its own until the run ends.
import { PostgresServer } from './postgres-server';

let server: PostgresServer | undefined;

/** Runs once, in the main process, before `--parallel` workers inherit the environment. */
export async function mochaGlobalSetup(): Promise<void> {
  if (process.env.DATABASE_URL) return;
  server = await PostgresServer.create();
  process.env.DATABASE_URL = server.url;
}

export async function mochaGlobalTeardown(): Promise<void> {
  await server?.dispose();
}
