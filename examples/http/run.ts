// Has twelve clients order from the service, tells it to stop in the midst of it, and compares what they were told with what is stored.
import { until } from '../../spec/support/until';
import { ordinaryUrl } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';
import { connect, createTables } from './db';
import { Load, ServiceProcess } from './process';

const CLIENTS = 12;
const GRACE_MILLIS = 5000;

async function main(): Promise<void> {
  const postgres = await PostgresServer.create();
  const url = await ordinaryUrl(postgres.url);
  const db = connect(url);
  try {
    await createTables(db);
    const service = await ServiceProcess.start(url, { graceMillis: GRACE_MILLIS });
    const load = new Load(service, CLIENTS);
    await until('there is a load', () => load.acknowledged.length > 100, { timeoutMillis: 20_000 });
    const { code, millis } = await service.terminate();
    await load.stop();

    const stored = await db('orders').pluck<number[]>('id');
    const mails = [...service.output.matchAll(/mail about order (\d+)/g)].map(([, id]) => Number(id));
    const lost = load.acknowledged.filter((id) => !stored.includes(id));
    console.log(`orders acknowledged: ${load.acknowledged.length}, stored: ${stored.length}, mails: ${mails.length}`);
    console.log(`of those acknowledged, not stored: ${lost.length}`);
    console.log(`it ended with code ${code}, ${Math.round(millis)} ms after SIGTERM`);
    const isFine = lost.length === 0 && code === 0 && millis < GRACE_MILLIS && new Set(mails).size === stored.length;
    if (!isFine) {
      console.error('refused:', load.refused, service.output);
      process.exitCode = 1;
    }
  } finally {
    await db.destroy();
    await postgres.dispose();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
