// Takes the database away under load, in two ways, and counts what the clients of the service saw of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { ordinaryUrl } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';
import { ReplicatedServers } from '../../spec/support/replicated-servers';
import { Load } from './load';
import { connect, serve } from './service';

/** The one server is killed, and started again. */
async function restart(): Promise<boolean> {
  const postgres = await PostgresServer.create();
  try {
    return await underLoad([await ordinaryUrl(postgres.url)], async (busy) => {
      const downAt = performance.now();
      await postgres.stop('immediate');
      await sleep(300);
      await postgres.start();
      const millis = Math.round(performance.now() - downAt);
      console.log(`the database was down for ${millis} ms, with ${busy} connections busy`);
    });
  } finally {
    await postgres.dispose();
  }
}

/** The primary is killed, and its standby takes over for good. */
async function promotion(): Promise<boolean> {
  const servers = await ReplicatedServers.create();
  try {
    const url = await ordinaryUrl(servers.primary.url);
    const onStandby = new URL(url);
    onStandby.port = String(servers.standby.port);
    return await underLoad([url, onStandby.href], async (busy) => {
      const downAt = performance.now();
      await servers.primary.stop('crash');
      await servers.promote();
      const millis = Math.round(performance.now() - downAt);
      console.log(`the standby took over within ${millis} ms, with ${busy} connections busy`);
    });
  } finally {
    await servers.dispose();
  }
}

/** Whether the clients were told the truth, and few of them of a failure. */
async function underLoad(urls: string[], takeAway: (busy: number) => Promise<void>): Promise<boolean> {
  const db = connect(urls);
  const service = serve(db);
  try {
    await db.schema.createTable('orders', (table) => table.integer('id').primary());
    const load = await Load.on(service);
    await sleep(500);
    await takeAway(db.connectionState().connections.inUse);
    await sleep(500);
    await load.stop();

    const stored = await db('orders').pluck<number[]>('id');
    const lost = load.acknowledged.filter((id) => !stored.includes(id));
    const { reads, orders } = load;
    reads.print('reads ');
    orders.print('orders');
    console.log(`orders acknowledged: ${orders.answered}, stored: ${stored.length}, lost: ${lost.length}`);
    // An order that was in COMMIT when the server went down may be stored or not, and its client was told so.
    const isHonest = lost.length === 0 && stored.length <= orders.answered + orders.failed;
    const { max } = db.client.pool as { max: number };
    return isHonest && reads.failed <= max && orders.failed <= max;
  } finally {
    service.close().closeAllConnections();
    await db.destroy();
  }
}

async function main(): Promise<void> {
  const isFine = [await restart(), await promotion()];
  if (isFine.includes(false)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
