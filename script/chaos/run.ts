// `npm run chaos [-- --seconds 600 --transfers 20000 --seed 7 --only postgres]`: transfers under faults on real servers. Exits with 1
// where what is stored is not what the callers were told, or something is left.
import { parseArgs } from 'node:util';
import { whyNoMariadb } from '../../spec/support/mariadb-server';
import { chaos, type Figures } from './chaos';
import { MariadbWorld } from './mariadb-world';
import { PostgresWorld } from './postgres-world';
import type { World } from './world';

const SHOWN = 20;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    transfers: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
  },
});

const worlds: Record<string, () => Promise<World>> = {
  postgres: () => PostgresWorld.create(),
  mariadb: () => MariadbWorld.create(),
};

/** On each database for its share of the time and of the transfers. */
async function main(): Promise<void> {
  const names = chosen();
  const plan = {
    seed: number('seed'),
    seconds: number('seconds') / names.length,
    transfers: Math.ceil(number('transfers') / names.length),
  };
  console.log(
    `chaos on ${names.join(' and ')}, seed ${plan.seed}: ${plan.transfers} transfers in ${plan.seconds} s each`,
  );
  const unhandled: string[] = [];
  process.on('unhandledRejection', (error) => void unhandled.push(`unhandled rejection: ${String(error)}`));
  for (const name of names) {
    const world = await worlds[name]?.();
    if (!world) throw new Error(`no database is called ${name}: there are ${Object.keys(worlds).join(', ')}`);
    try {
      const figures = await chaos(world, plan);
      figures.mismatches.push(...unhandled.splice(0));
      print(world.name, figures);
      if (figures.mismatches.length > 0) process.exitCode = 1;
    } finally {
      await world.close();
    }
  }
}

function chosen(): string[] {
  if (values.only !== undefined) return [values.only];
  const reason = whyNoMariadb();
  if (reason === undefined) return Object.keys(worlds);
  console.log(`without MariaDB: ${reason}`);
  return ['postgres'];
}

function number(name: 'seconds' | 'transfers' | 'seed'): number {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
  return value;
}

function print(name: string, { told, unknownStored, refused, faults, mismatches, seconds }: Figures): void {
  const count = (outcome: string) => told.filter((each) => each.outcome === outcome).length;
  const retried = told.filter(({ attempts }) => attempts > 1).length;
  console.log(`\n${name}, ${seconds.toFixed(0)} s`);
  console.table({
    transfers: told.length,
    acknowledged: count('acknowledged'),
    'unknown, stored': unknownStored,
    'unknown, not stored': count('unknown') - unknownStored,
    'rejected by faults': count('rejected') - refused,
    'refused on purpose': refused,
    'tried more than once': retried,
    mismatches: mismatches.length,
  });
  console.table(faults);
  for (const line of mismatches.slice(0, SHOWN)) console.log(line);
}

main().catch((error: Error) => {
  console.error(error);
  process.exitCode = 1;
});
