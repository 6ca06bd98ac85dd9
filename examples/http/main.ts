// The process: DATABASE_URL=… PORT=… LIMIT_MILLIS=… GRACE_MILLIS=… tsx examples/http/main.ts
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from './db';
import { Outbox } from './outbox';
import { Service } from './server';
import { stop } from './stop';

const { DATABASE_URL = '', PORT = '0', LIMIT_MILLIS = '1000', GRACE_MILLIS = '5000' } = process.env;

async function main(): Promise<void> {
  const db = connect(DATABASE_URL, Number(LIMIT_MILLIS));
  const outbox = new Outbox(db, async (orderId) => console.log(`mail about order ${orderId}`));
  const service = new Service(db, outbox);
  service.server.listen(Number(PORT), '127.0.0.1');
  await once(service.server, 'listening');
  outbox.wake(); // what an earlier process has left
  process.once('SIGTERM', () => {
    stop({ service, outbox, db }, Number(GRACE_MILLIS)).then(
      ({ abortedTransactions }) => console.log(`stopped, ${abortedTransactions.length} transactions aborted`),
      fail,
    );
  });
  console.log(`listening on ${(service.server.address() as AddressInfo).port}`);
}

function fail(error: unknown): void {
  console.error(error);
  process.exitCode = 1;
}

main().catch(fail);
