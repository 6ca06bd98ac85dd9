// One resettable instance: makes its parts and passes on what they need of each other. Nothing below imports it.
import type { Knex } from 'knex';
import { type Connection, connectionOf } from './connection/connection';
import { explainFullPool } from './diagnostics/holders';
import { LeakWatch } from './diagnostics/leaks';
import { Recording } from './diagnostics/recording';
import { driverOf } from './drivers';
import type { Driver } from './drivers/driver';
import type { Runner } from './knex/builders';
import type { ClientHost } from './knex/client-class';
import { factsOf, acquireTimeoutMillisOf, hasExternalPool, lendsUnasked } from './knex/client-facts';
import type { KnexClient } from './knex/client-shape';
import { Clients, type ClientsHost } from './knex/clients';
import { guardOf } from './knex/guard';
import { asKnexAcquires, hidePassword, openWithFreshSettings } from './knex/opener';
import type { KnexPool } from './knex/pool-shape';
import { forwardTo } from './knex/stand-in';
import { isTarn, TarnPool } from './knex/tarn';
import { methodsOf } from './methods';
import { Ambient } from './pool/ambient';
import type { OpenEntry } from './pool/open-entry';
import type { PoolHost } from './pool/pool-host';
import { ExternalPool } from './pool/external-pool';
import { ResettablePool } from './pool/resettable-pool';
import { Resets } from './pool/resets';
import type { SandboxOwner, SandboxTransaction } from './pool/sandboxes';
import { Recovery, type RecoveryHost } from './recovery/recovery';
import { RightServer } from './recovery/right-server';
import { endSome } from './reset/end-connection';
import { Lifecycle } from './reset/lifecycle';
import type { ResetHost } from './reset/reset';
import type { SandboxHost } from './sandbox/open-sandbox';
import { beginTransaction } from './transaction/begin';
import type { Interruptible } from './transaction/interruptible';
import { readAhead } from './transaction/read-ahead';
import { watchRunner } from './transaction/watch-queries';
import { openSandboxTransaction } from './transaction/sandbox-transaction';
import { sharedLimit, type SharedLimit } from './transaction/shared-limit';
import type { TransactionHost } from './transaction/transaction-host';
import type { CallSite } from './words/call-site';
import { KnexResetError } from './words/errors';
import { inBackground } from './words/foreign';
import type { Settings } from './words/options';
import type { Resettable, ResetOptions, ResetReport } from './words/types';

type Hosts = PoolHost & ClientsHost & TransactionHost & SandboxHost & RecoveryHost & ResetHost;

export class Instance implements Hosts {
  readonly driver: Driver;
  readonly isExternal: boolean;
  readonly lendsUnasked: boolean;
  readonly timeoutMillis: number;
  readonly carry: ClientHost['carry'];
  readonly pool: ResettablePool;
  readonly open = new Set<OpenEntry>();
  readonly resets = new Resets();
  readonly ambient = new Ambient();
  readonly recording: Recording;
  readonly recovery: Recovery;
  readonly transactionLimit: SharedLimit | undefined;
  /** What users call: copies have the same functions. */
  readonly methods: Resettable;
  readonly #leakWatch: LeakWatch;
  readonly #lifecycle: Lifecycle;
  readonly #clients: Clients;

  /** Makes its parts, and changes nothing yet. @throws TypeError where an option does not fit the database or the pool */
  constructor(
    readonly knex: Knex,
    readonly client: KnexClient,
    readonly settings: Settings,
  ) {
    this.driver = driverOf(factsOf(client));
    this.isExternal = hasExternalPool(client);
    this.lendsUnasked = lendsUnasked(client);
    this.timeoutMillis = settings.timeoutMillis;
    this.carry = this.driver.carry?.bind(this.driver);
    this.recovery = new Recovery(this, new RightServer(this.driver, settings, this.isExternal));
    this.pool = new ResettablePool(this);
    this.#clients = new Clients(client, this, {
      observed: (module) => this.driver.observeOpening?.(module, this.pool.openings, this.recovery.isPicky) ?? module,
      acquireRaw: (open) => readAhead(this.pool.openings.acquireRaw(open)),
      forsake: (raw) => this.pool.openings.forsake(raw),
    });
    this.recording = new Recording((...told) => this.#clients.watchAsked(knex, ...told));
    this.transactionLimit = sharedLimit(settings);
    this.#leakWatch = new LeakWatch(settings);
    this.#lifecycle = new Lifecycle(this, () => this.#clients.wake());
    this.methods = methodsOf(this);
  }

  /** Takes over the pool that the client has, and what was lent from it. */
  takeOver(): void {
    const { client, pool, settings } = this;
    const first = client.pool as KnexPool;
    if (settings.leakAfterMillis !== undefined) this.recording.start();
    if (isTarn(first) && !this.isExternal) {
      this.#clients.openFor(first);
      pool.takeOverPool(new TarnPool(first, pool.guards));
      forwardTo(first, pool);
    } else {
      pool.real.beginWith(new ExternalPool(first));
    }
    if (this.recovery.isPicky) inBackground(pool.evict());
  }

  /** Makes a client, that of the instance or of a copy, one of the instance's. */
  attach(client: KnexClient): void {
    this.#clients.attach(client);
  }

  reset(options: ResetOptions): Promise<ResetReport> {
    return this.#lifecycle.reset(options);
  }

  endSome(connections: Connection[], entries: OpenEntry[], reason: string): Promise<void> {
    return endSome(this, { connections, entries }, reason, this.resets.count);
  }

  // For the pool.

  build(): TarnPool {
    return new TarnPool(this.#clients.buildPool(), this.pool.guards);
  }

  makeAfresh(make: () => Promise<object>): Promise<object> {
    return openWithFreshSettings(this.client, make);
  }

  prepare(raw: object): Promise<unknown> | undefined {
    return hidePassword(this.client, raw);
  }

  async explain(error: unknown): Promise<never> {
    if (error instanceof KnexResetError) throw error; // Knex logs ten lines for each.
    const explained = await asKnexAcquires(this.client, Promise.reject(error as Error)).catch((e: unknown) => e);
    throw explainFullPool(this, explained);
  }

  destroy(): Promise<unknown> {
    return this.#lifecycle.destroy();
  }

  // For the clients.

  reopen(): void {
    this.#lifecycle.reopen();
  }

  transaction(...[asking, asked, make]: Parameters<ClientHost['transaction']>): ReturnType<ClientHost['transaction']> {
    return beginTransaction(this, asking, asked, make);
  }

  running(builder: object, runner: Runner): void {
    this.recording.running(builder);
    const around = this.settings.ambient ? this.ambient.current() : undefined; // Sandboxes have a context too.
    if (around?.block) watchRunner(around, runner);
  }

  runningInside(asking: object, runner: Runner): void {
    watchRunner(guardOf(asking), runner);
  }

  readsWhole(raw: object): boolean {
    return connectionOf(raw)?.mutex.isShared === true;
  }

  // For transactions and sandboxes.

  attachTransaction(client: object): void {
    this.#clients.attachTransaction(client);
  }

  get acquireTimeoutMillis(): number {
    return acquireTimeoutMillisOf(this.client);
  }

  isFatal(error: unknown): boolean {
    return this.recovery.isFatal(error);
  }

  opened(entry: OpenEntry): void {
    this.open.add(entry);
  }

  begun(transaction: Interruptible): void {
    this.transactionLimit?.begun(transaction);
    this.#leakWatch.begun(transaction);
  }

  closed(entry: OpenEntry): void {
    this.open.delete(entry);
    this.#leakWatch.ended(entry);
    this.transactionLimit?.ended(entry);
  }

  hold(owner: SandboxOwner, stack: CallSite): Promise<SandboxTransaction> {
    return openSandboxTransaction(this, owner, stack);
  }
}
