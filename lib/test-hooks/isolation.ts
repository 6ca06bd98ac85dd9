// What a test begins with and what is undone after it: one object for each kind of isolation.
import type { Knex } from 'knex';
import type { Instance } from '../pool/instance';
import type { LeakReport, Resettable, Sandbox } from '../words/types';
import { isEmpty, lookForLeaks } from './look-for-leaks';
import { nextTurn } from '../words/waiting';
import { REASON } from './unheard';

export type IsolationKind = 'reset' | 'recycle' | 'sandbox';

export interface Isolation {
  /** Whether the end of a test does something that can fail. Then it is done also with `leaks: 'ignore'`. */
  readonly hasEnd: boolean;
  /** Makes everything clean for a test, whatever the one before has left. */
  open(): Promise<void>;
  /** Ends what the test has left open, and says what it was. */
  close(): Promise<LeakReport>;
  /** The ids of the transactions that are open. */
  openNow(): string[];
  /** Ends the instance. */
  end(): Promise<void>;
}

export function isolate(kind: IsolationKind, db: Knex & Resettable, instance: Instance): Isolation {
  return kind === 'sandbox' ? new SandboxIsolation(db, instance) : new ResetIsolation(db, instance, kind);
}

class ResetIsolation implements Isolation {
  readonly hasEnd: boolean = false;

  constructor(
    protected readonly db: Knex & Resettable,
    protected readonly instance: Instance,
    private readonly kind: 'reset' | 'recycle',
  ) {}

  async open(): Promise<void> {
    await this.reset();
  }

  async close(): Promise<LeakReport> {
    const leaks = await lookForLeaks(this.instance);
    // Now, so that the hooks of the suite do not have to wait for the locks.
    if (!isEmpty(leaks)) await this.reset();
    return leaks;
  }

  openNow(): string[] {
    return [...this.instance.open].map((entry) => entry.describe().id);
  }

  async end(): Promise<void> {
    // Alone, destroying would wait for what is still open.
    await this.reset();
    await this.db.destroy();
  }

  protected async reset(): Promise<void> {
    const connections = this.kind === 'recycle' ? 'recycle' : 'close';
    const report = await this.db.resetConnection({ reason: REASON, graceMillis: 0, connections });
    // A transaction whose callback never ends is rejected in the next turn of the event loop.
    if (report.abortedTransactions.length > 0) await nextTurn();
    // A sandbox that a test opened and did not close is over; nothing of it may reach the next one.
    this.instance.ambient.pinned = undefined;
  }
}

class SandboxIsolation extends ResetIsolation {
  override readonly hasEnd = true;
  #sandbox: Sandbox | undefined;

  constructor(db: Knex & Resettable, instance: Instance) {
    super(db, instance, 'reset');
  }

  override async open(): Promise<void> {
    await this.close().catch(() => {});
    if (this.instance.pool.isClosed) await this.reset();
    this.#sandbox = await this.db.openSandbox();
  }

  override async close(): Promise<LeakReport> {
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    if (!sandbox) return { transactions: [], queries: [] };
    // What was asked last gets into the sandbox a few steps later.
    await nextTurn();
    return sandbox.close();
  }

  override openNow(): string[] {
    const root = this.instance.ambient.pinned as OpenRoot | undefined;
    return root?.openInside().map(({ id }) => id) ?? [];
  }
}

/** The transaction of a sandbox. */
interface OpenRoot {
  openInside(): { id: string }[];
}
