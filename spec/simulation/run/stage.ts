// One schedule's world: a clock, a server, a network between, a knex instance, and the ledger of what is asked of it.
import diagnostics from 'node:diagnostics_channel';
import type { Knex } from 'knex';
import { startClock } from '../clock/install';
import type { VirtualClock } from '../clock/virtual-clock';
import type { Resettable, TransactionEvent } from '../../../lib';
import { Network } from '../network/network';
import { Random } from '../random';
import type { Schedule } from '../schedule/schedule';
import { SimulatedServer } from '../server/server';
import { Ledger } from './ledger';
import { log, ownedPool, type OwnedPool } from './owned-pool';
import { foreignOptions, foreignPool, listenTo, throwAtEnd } from './foreign';
import { watchOverlaps, watchProblems } from './problems';
import { forgetStorages, knex, prepare, subject } from './subject';

const realRandom = Math.random;

export class Stage {
  readonly clock: VirtualClock;
  readonly server: SimulatedServer;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly db: Knex & Resettable;
  readonly copy: Knex & Resettable;
  /** Until then callbacks that hang do so. */
  readonly released: Promise<void>;
  release!: () => void;
  /** Foreign code does nothing but its work any more. */
  isQuiet = false;
  readonly #owned: OwnedPool | undefined;
  readonly #stop: (() => void)[];

  constructor(readonly schedule: Schedule) {
    const { seed, setting } = schedule;
    this.clock = startClock();
    this.server = new SimulatedServer(this.clock, seed, setting.reusesPids);
    this.network = new Network(this.clock, this.server, seed, setting);
    this.ledger = new Ledger(this.clock);
    this.released = new Promise((resolve) => {
      this.release = resolve;
    });
    const random = Random.keyed(seed, 'Math.random');
    const next = () => random.next();
    Math.random = next;
    prepare(() => this.network.socket('address'));
    this.#stop = [
      watchProblems(this.ledger),
      watchOverlaps(this.ledger),
      this.#watchEvents(),
      throwAtEnd(setting.foreign),
    ];
    const way =
      setting.way === 'factory' ? { stream: () => this.network.socket('factory') } : { host: 'db.test', port: 5432 };
    const pool = { min: setting.poolMin, max: setting.poolMax, ...foreignPool(setting.foreign, this) };
    // pg's own types know nothing of a user without a password.
    const connection = { user: 'app', database: 'app', password: 'secret', ...way } as Knex.PgConnectionConfig;
    this.#owned = ownedPool(setting, connection);
    const base = knex({
      client: 'pg',
      ...(this.#owned ? { connectionPool: this.#owned.pool } : { connection, pool }),
      acquireConnectionTimeout: setting.acquireMillis,
      log,
    });
    const older = setting.copyIsOlder ? base.withUserParams({ copy: true }) : undefined;
    this.db = subject.resettable(base, { ...setting.options, ...foreignOptions(setting.foreign, this) });
    listenTo(this.db, setting.foreign, this);
    this.copy = subject.resettable(older ?? this.db.withUserParams({ copy: true }));
  }

  /** The owner of the pool ends it, where it is not the instance's own. */
  async endPool(): Promise<void> {
    await this.#owned?.end();
  }

  /** The instance or its copy. */
  on({ onCopy }: { onCopy: boolean }): Knex & Resettable {
    return onCopy ? this.copy : this.db;
  }

  /** Puts the process back as it was. */
  stop(): void {
    Math.random = realRandom;
    forgetStorages();
    for (const stop of this.#stop) stop();
  }

  #watchEvents(): () => void {
    const hear = (message: unknown) => {
      this.ledger.events.push({ ...this.ledger.now(), ...(message as TransactionEvent) });
    };
    diagnostics.subscribe('knex-reset:transaction', hear);
    return () => diagnostics.unsubscribe('knex-reset:transaction', hear);
  }
}
