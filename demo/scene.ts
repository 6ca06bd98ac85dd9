// What the suite finds when a run begins: the one instance that all its tests share, and whether they reset it.
import type { Knex } from 'knex';
import type { Resettable } from '../lib';

type Scene = { db: Knex; isReset: false } | { db: Knex & Resettable; isReset: true };

let current: Scene | undefined;

export function set(scene: Scene): void {
  current = scene;
}

export function scene(): Scene {
  if (!current) throw new Error('this suite is played by `npm run demo`');
  return current;
}
