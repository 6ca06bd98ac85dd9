// What is simulated against: the real knex, the real pg, and this package, or a changed copy of it. All that would make two runs of
// one schedule differ is taken out of the process before they are loaded.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import type Knex from 'knex';
import type * as Lib from '../../../lib';
import type { SimulatedSocket } from '../network/socket';

const load = createRequire(__filename);

let ids = 0;
let openSocket: (() => SimulatedSocket) | undefined;

/** knex numbers its transactions by lodash's counter, which cannot be set back. */
function numberAnew(): void {
  const file = createRequire(load.resolve('knex')).resolve('lodash/uniqueId');
  load(file);
  const uniqueId = (prefix = '') => {
    ids += 1;
    return `${prefix}${ids}`;
  };
  Object.assign(load.cache[file]!, { exports: uniqueId });
}

/** Connections to an address, which the driver opens by itself. */
function simulateSockets(): void {
  // The process's own are made when they are first used.
  for (const output of [process.stdout, process.stderr]) output.writable;
  const value = function Socket() {
    if (!openSocket) throw new Error('a socket is opened outside of a schedule');
    return openSocket();
  };
  Object.defineProperty(net, 'Socket', { value, configurable: true });
}

const storages = new Set<AsyncLocalStorage<unknown>>();

/** Each storage that is in use makes every promise of the process dearer, those of earlier schedules' instances as well. */
function watchStorages(): void {
  const { prototype } = AsyncLocalStorage;
  const run = Reflect.get(prototype, 'run') as (...args: unknown[]) => unknown;
  const watched = function (this: AsyncLocalStorage<unknown>, ...args: unknown[]) {
    storages.add(this);
    return run.apply(this, args);
  };
  Object.assign(prototype, { run: watched });
}

/** Ends a schedule. */
export function forgetStorages(): void {
  for (const storage of storages) storage.disable();
  storages.clear();
}

numberAnew();
simulateSockets();
watchStorages();

export const knex = load('knex') as typeof Knex;
export const subject = load(
  path.join(process.env.SIMULATED_LIB ?? path.resolve(__dirname, '../../../lib'), 'index.ts'),
) as typeof Lib;

/** Begins a schedule: numbers start anew, and sockets are those of its network. */
export function prepare(open: () => SimulatedSocket): void {
  ids = 0;
  openSocket = open;
}
