// Restarts the database under load, and counts what the clients of the service saw of it.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ordinaryUrl } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';
import { connect, serve } from './service';

const CLIENTS = 12;

interface Tally {
  answered: number;
  failed: number;
  slowestMillis: number;
}

async function main(): Promise<void> {
  const postgres = await PostgresServer.create();
  const db = connect(await ordinaryUrl(postgres.url));
  const service = serve(db).listen(0, '127.0.0.1');
  try {
    await once(service, 'listening');
    await db.schema.createTable('orders', (table) => table.integer('id').primary());
    const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

    const reads: Tally = { answered: 0, failed: 0, slowestMillis: 0 };
    const orders: Tally = { answered: 0, failed: 0, slowestMillis: 0 };
    let isOver = false;
    let lastId = 0;
    const clients = Array.from({ length: CLIENTS }, async (_, number) => {
      while (!isOver) {
        if (number % 2) await ask(reads, origin, 'GET');
        else await ask(orders, `${origin}/${++lastId}`, 'POST');
      }
    });

    await sleep(500);
    const busy = db.connectionState().connections.inUse;
    const downAt = performance.now();
    await postgres.stop('immediate');
    await sleep(300);
    await postgres.start();
    console.log(
      `the database was down for ${Math.round(performance.now() - downAt)} ms, with ${busy} connections busy`,
    );
    await sleep(500);
    isOver = true;
    await Promise.all(clients);

    const stored = Number((await db('orders').count('* as n'))[0]?.n);
    print('reads ', reads);
    print('orders', orders);
    console.log(`orders acknowledged: ${orders.answered}, stored: ${stored}`);
    // An order that was in COMMIT when the server went down may be stored or not, and its client was told so.
    const isHonest = stored >= orders.answered && stored <= orders.answered + orders.failed;
    const isFine = reads.failed <= db.client.pool.max && orders.failed <= db.client.pool.max && isHonest;
    if (!isFine) process.exitCode = 1;
  } finally {
    service.close().closeAllConnections();
    await db.destroy();
    await postgres.dispose();
  }
}

async function ask(tally: Tally, url: string, method: string): Promise<void> {
  const startedAt = performance.now();
  const response = await fetch(url, { method });
  await response.text();
  if (response.ok) tally.answered++;
  else tally.failed++;
  tally.slowestMillis = Math.max(tally.slowestMillis, performance.now() - startedAt);
}

function print(what: string, { answered, failed, slowestMillis }: Tally): void {
  console.log(`${what}: ${answered} answered, ${failed} failed, the slowest took ${Math.round(slowestMillis)} ms`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
