// What listeners of `knex.client.pool` hear, with its arguments. Connections have names in the order in which they were met: A, B …
import type { Knex } from 'knex';

const EVENTS = [
  'acquireRequest acquireSuccess acquireFail release createRequest createSuccess createFail',
  'destroyRequest destroySuccess destroyFail startReaping stopReaping poolDestroyRequest poolDestroySuccess',
].flatMap((line) => line.split(' '));

interface Emitter {
  on(event: string, listener: (...args: unknown[]) => void): void;
}

/** Each event as a line, such as `destroySuccess 4 A`. */
export function hearPool(db: Knex): string[] {
  const heard: string[] = [];
  const met: unknown[] = [];
  const nameOf = (connection: object) => {
    if (!met.includes(connection)) met.push(connection);
    return String.fromCharCode(65 + met.indexOf(connection));
  };
  const written = (value: unknown) => {
    if (value instanceof Error) return 'error';
    return typeof value === 'object' && value !== null ? nameOf(value) : String(value);
  };
  for (const event of EVENTS)
    (db.client.pool as Emitter).on(event, (...args) => void heard.push([event, ...args.map(written)].join(' ')));
  return heard;
}

/** Those of a few events, without the numbers that each has. */
export function only(heard: string[], ...events: string[]): string[] {
  return heard.map((line) => line.replace(/ \d+/, '')).filter((line) => events.includes(line.split(' ')[0] as string));
}
