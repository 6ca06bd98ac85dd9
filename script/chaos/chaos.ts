// A chaos run on one database: transfers at an even pace, faults one after the other beside them, and what came of it.
import { resettable } from '../../lib';
import { makeKnex } from '../../spec/support/quiet-knex';
import { type Random, randomFrom } from './random';
import { type Db, Refused, type Told, Transfer } from './transfer';
import { mismatches } from './verdict';
import { type Fault, pause, type World } from './world';

export interface Plan {
  seed: number;
  transfers: number;
  seconds: number;
}

export interface Figures {
  told: readonly Told[];
  unknownStored: number;
  refused: number;
  faults: Record<string, number>;
  mismatches: string[];
  seconds: number;
}

const AT_ONCE = 60;
/** Longer than every limit that a transfer has. */
const HUNG_MILLIS = 60_000;

export async function chaos(world: World, plan: Plan): Promise<Figures> {
  const start = performance.now();
  const db: Db = resettable(
    makeKnex(undefined, { ...world.config, pool: { min: 0, max: 10 }, acquireConnectionTimeout: 10_000 }),
    { timeoutMillis: 2000, checkIdleMillis: 500, checkTimeoutMillis: 500 },
  );
  const run = { isOver: false };
  const havoc = hurt(world, db, randomFrom(plan.seed), run);
  const told = await transferAll(db, world, plan);
  run.isOver = true;
  const faults = await havoc;
  const left = await letGo(world, db);
  const ledger = await world.ledger();
  const stored = new Set(ledger.map(({ id }) => id));
  return {
    told,
    unknownStored: told.filter(({ outcome, row }) => outcome === 'unknown' && stored.has(row.id)).length,
    refused: told.filter(({ error }) => error instanceof Refused).length,
    faults,
    mismatches: [...mismatches(told, ledger, await world.balances()), ...left],
    seconds: (performance.now() - start) / 1000,
  };
}

/** Starts them at an even pace over the time, behind it where so many are under way; each has a random sequence of its own. */
async function transferAll(db: Db, world: World, { seed, transfers, seconds }: Plan): Promise<Told[]> {
  const start = performance.now();
  const told: Told[] = [];
  let next = 0;
  const worker = async () => {
    while (next < transfers) {
      const id = next++;
      await pause(start + (id / transfers) * seconds * 1000 - performance.now());
      const transfer = new Transfer(id, randomFrom(seed * 1_000_003 + id));
      told.push(transfer.told);
      await settled(
        transfer.run(db, world),
        () => `transfer ${id} did not settle: ${JSON.stringify(db.connectionState())}`,
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return told;
}

async function settled(work: Promise<void>, problem: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(problem())), HUNG_MILLIS);
  });
  await Promise.race([work, hung]).finally(() => clearTimeout(timer));
}

/** One fault after the other, each kind before any comes again. */
async function hurt(world: World, db: Db, random: Random, run: { isOver: boolean }): Promise<Record<string, number>> {
  const kinds: Record<string, Fault> = { ...world.faults, 'resetConnection()': () => reset(db, random) };
  const done: Record<string, number> = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]));
  let bag: string[] = [];
  while (!run.isOver) {
    await pause(random.between(20, 600));
    if (bag.length === 0) bag = Object.keys(kinds);
    const [kind = ''] = bag.splice(random.between(0, bag.length - 1), 1);
    await kinds[kind]?.(random);
    done[kind] = (done[kind] ?? 0) + 1;
  }
  return done;
}

async function reset(db: Db, random: Random): Promise<void> {
  await db.resetConnection({
    reason: 'chaos',
    graceMillis: random.oneOf([0, 0, 50, 300]),
    connections: random.oneOf(['close', 'recycle'] as const),
    waiting: random.oneOf(['reject', 'requeue'] as const),
  });
}

/** What does not add up, or is left, once everything has settled. */
async function letGo(world: World, db: Db): Promise<string[]> {
  const found: string[] = [];
  await db.resetConnection({ reason: 'the run is over' });
  const { connections, transactions } = db.connectionState();
  const counts = Object.entries(connections).filter(([, count]) => count > 0);
  for (const [kind, count] of counts) found.push(`${count} connections are ${kind} at the end`);
  for (const { id } of transactions) found.push(`transaction ${id} is open at the end`);
  await db.destroy();
  // Backends whose clients vanished behind the proxy learn of it when they next use their sockets.
  for (const end = performance.now() + 10_000; (await world.left()).length > 0 && performance.now() < end; )
    await pause(50);
  return [...found, ...(await world.left()).map((what) => `${what} is left on the server`)];
}
