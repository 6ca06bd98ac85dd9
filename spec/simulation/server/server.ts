// A PostgreSQL server in one object: its processes, its data, and what can happen to them.
import type { VirtualClock } from '../clock/virtual-clock';
import type { End, Link } from '../network/link';
import type { Listener } from '../network/network';
import { type Asked, Reader } from '../wire/frontend';
import { Ambushes, type Effect } from './ambush';
import { Backend } from './backend';
import { Database, type ServerTransaction } from './database';
import { Journal } from './journal';
import type { SqlError } from './sql-error';
import { sufferEffect } from './suffer';

const FIRST_PID = 101;

export class SimulatedServer implements Listener {
  readonly database = new Database();
  readonly journal: Journal;
  readonly ambushes = new Ambushes();
  readonly backends = new Map<number, Backend>();
  readonly everFrozen = new Set<number>();
  readonly parameters: Record<string, string> = {
    server_version: '18.0',
    client_encoding: 'UTF8',
    in_hot_standby: 'off',
    default_transaction_read_only: 'off',
  };
  reachability: 'open' | 'refused' | 'silent' = 'open';
  unreachableUntil = -1;
  isStandby = false;
  /** Starts of the postmaster; a crash recovery is none. */
  readonly starts = 1;
  /** Recoveries from a crash make new processes of the server's own. */
  runs = 1;
  #pids = FIRST_PID;

  constructor(
    readonly clock: VirtualClock,
    private readonly seed: number,
    /** A process that is gone leaves its id to the next one. */
    private readonly reusesPids = false,
  ) {
    this.journal = new Journal(clock);
  }

  /** The first message says what the connection is for. */
  accept(link: Link): void {
    const order = this.clock.tick();
    const reader = new Reader();
    const reception: End = {
      bytes: (chunk) => {
        for (const asked of reader.read(chunk)) {
          if (asked.is === 'cancel') {
            const wanted = this.backends.get(asked.pid);
            if (wanted?.key === asked.key) this.cancel(asked.pid);
            link.close('server');
            return;
          }
          this.#open(new Backend(this, link, this.#nextPid(), order, this.seed), asked, reader);
          return;
        }
      },
      ended: () => link.close('server'),
      reset: () => {},
    };
    link.attach('server', reception);
  }

  #open(backend: Backend, opening: Asked, reader: Reader): void {
    this.backends.set(backend.pid, backend);
    this.journal.write(backend.pid, 'connected', `link ${backend.link.number}`);
    backend.serve(opening, reader).catch((error: unknown) => {
      this.journal.gaps.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
  }

  #nextPid(): number {
    if (this.reusesPids) {
      let pid = FIRST_PID;
      while (this.backends.has(pid)) pid += 1;
      return pid;
    }
    this.#pids += 1;
    return this.#pids - 1;
  }

  cancel(pid: number): boolean {
    const backend = this.backends.get(pid);
    this.journal.write(pid, 'received', 'cancel');
    backend?.cancel();
    return backend !== undefined;
  }

  terminate(pid: number): boolean {
    const backend = this.backends.get(pid);
    this.journal.write(pid, 'received', 'terminate');
    backend?.terminate();
    return backend !== undefined;
  }

  /** Every process dies at once; what is committed stays. The server is back after a while, and gives lost ids to others. */
  crash(downMillis: number): void {
    this.beUnreachable('refused', downMillis);
    this.runs += 1;
    for (const backend of this.backends.values()) backend.kill();
    this.database.recover();
  }

  /** Comes back as a standby, and is the primary again after a while. */
  demote(downMillis: number, millis: number): void {
    this.crash(downMillis);
    this.beStandby(true);
    this.clock.input(downMillis + millis, () => this.beStandby(false));
  }

  beStandby(is: boolean): void {
    this.isStandby = is;
    if (!is) this.journal.write(0, 'fault', 'the primary again');
    this.parameters.in_hot_standby = is ? 'on' : 'off';
  }

  /** Takes no new connections for so long. */
  beUnreachable(how: 'refused' | 'silent', millis: number): void {
    this.reachability = how;
    this.unreachableUntil = Math.max(this.unreachableUntil, this.clock.now + millis);
    this.clock.input(millis, () => {
      this.reachability = 'open';
    });
  }

  async suffer(effect: Effect, backend: Backend): Promise<void> {
    this.journal.write(backend.pid, 'fault', JSON.stringify(effect));
    await sufferEffect(effect, backend);
  }

  /** The client is told what kind of server it is. */
  introduced({ pid }: Backend): Record<string, string> {
    if (this.isStandby) this.journal.write(pid, 'connected', 'to a standby');
    return this.parameters;
  }

  received(backend: Backend, sql: string): void {
    this.journal.write(backend.pid, 'received', sql);
  }

  executed(backend: Backend, sql: string, token: number | undefined, transaction: ServerTransaction | undefined): void {
    const details = { token, transaction: transaction?.number, isExplicit: transaction?.isExplicit };
    this.journal.write(backend.pid, 'executed', sql, details);
  }

  failed(backend: Backend, error: SqlError): void {
    this.journal.write(backend.pid, 'failed', `${error.code} ${error.message}`);
    if (error.message.startsWith('not simulated')) this.journal.gaps.push(error.message);
  }

  committed(backend: Backend, transaction: ServerTransaction): void {
    this.journal.write(backend.pid, 'committed', '', { transaction: transaction.number });
  }

  rolledBack(backend: Backend, transaction: ServerTransaction): void {
    this.journal.write(backend.pid, 'rolled back', '', { transaction: transaction.number });
  }

  left(backend: Backend): void {
    this.backends.delete(backend.pid);
    this.journal.write(backend.pid, 'gone', '');
  }
}
