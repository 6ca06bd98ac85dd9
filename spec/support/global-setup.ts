// Gives the run a database server: that of DATABASE_URL, or else one of its own until the run ends.
import { PostgresServer } from './postgres-server';

/** After the last test. */
const ENDS_WITHIN_MILLIS = 5000;

let server: PostgresServer | undefined;

/** Runs once, in the main process, before `--parallel` workers inherit the environment. */
export async function mochaGlobalSetup(): Promise<void> {
  if (process.env.DATABASE_URL) return;
  server = await PostgresServer.create();
  process.env.DATABASE_URL = server.url;
  if (server.certificate) process.env.SPEC_CERTIFICATE = server.certificate;
}

export async function mochaGlobalTeardown(): Promise<void> {
  await server?.dispose();
  setTimeout(failForNotEnding, ENDS_WITHIN_MILLIS).unref();
}

/** A run that does not end by itself has left a timer or a socket behind. */
function failForNotEnding(): void {
  console.error(`the process does not end: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(1);
}
