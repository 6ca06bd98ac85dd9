// What the specs of recovery share: pools filled to a known size, deaths of several backends at once, and what they cost.
import type { Knex } from 'knex';
import { pidOf } from '../support/backend';
import type { FaultProxy } from '../support/fault-proxy';
import { failure, outcome } from '../support/outcome';
import type { ProxyLink } from '../support/proxy-link';
import type { ResettableKnex, Stage } from '../support/stage';
import { until } from '../support/until';

export { pidOf };

/** Has the server fail a statement with this SQLSTATE, the connection being sound. */
export function raise(code: string): string {
  return `do $$ begin raise exception 'pretended' using errcode = '${code}'; end $$`;
}

/** Opens so many connections and leaves them idle; the last of their backends is the one that is lent next. */
export async function idle(db: ResettableKnex, count: number): Promise<number[]> {
  const handles = await Promise.all(Array.from({ length: count }, () => db.transaction()));
  const pids: number[] = [];
  for (const trx of handles) {
    pids.push(await pidOf(trx));
    await trx.rollback();
  }
  await until('all are idle', () => db.connectionState().connections.idle === count);
  return pids;
}

/** Resolves once the server has none of these backends; whether their clients have heard of it is open. */
export async function kill({ database }: Stage, pids: number[]): Promise<void> {
  await database.observer.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids]);
  await gone({ database }, pids);
}

export async function gone({ database }: Pick<Stage, 'database'>, pids: number[]): Promise<void> {
  await until(`the backends ${pids.join(', ')} are gone`, async () =>
    (await database.backends()).every(({ pid }) => !pids.includes(pid)),
  );
}

/** Asks one query after the other, and returns the errors of those that failed. */
export async function failures(db: ResettableKnex, count: number): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (let n = 0; n < count; n++) {
    const { error } = await outcome(db.raw('select ?::int as n', [n]));
    if (error !== undefined) errors.push(error);
  }
  return errors;
}

/** A query that sleeps until it is ended, once it runs on the server; with its backend. */
export async function sleeping(stage: Stage, db: Knex): Promise<{ error: ReturnType<typeof failure>; pid: number }> {
  const earlier = (await stage.database.backends()).filter(({ state }) => state === 'active').map(({ pid }) => pid);
  const error = failure(db.raw('select pg_sleep(30)'));
  const pids = await stage.running('pg_sleep', earlier.length + 1);
  return { error, pid: pids.find((pid) => !earlier.includes(pid))! };
}

/** The links of a proxy, some of which can die as after a power cut: unheard, until they are used. */
export class Links {
  readonly #known = new Set<ProxyLink>();
  readonly #dead = new Set<ProxyLink>();

  constructor(proxy: FaultProxy) {
    proxy.onMessage((_, link) => {
      this.#known.add(link);
      if (this.#dead.has(link)) link.reset();
    });
  }

  /** Those that are open now. */
  die(): void {
    for (const link of this.#known) this.#dead.add(link);
  }
}
