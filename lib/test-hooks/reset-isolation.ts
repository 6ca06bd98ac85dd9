// Isolation by a reset: a test begins with new or cleaned connections. What it commits stays.
import type { LeakReport } from '../words/types';
import { closeWhenIdle, keepIdle } from './after-all';
import { InnerLook } from './inner-look';
import type { Hooked, InstanceIsolation, Isolation, OpenThings } from './isolation';
import { isEmpty, lookForLeaks, openIn, watched } from './look-for-leaks';
import { refuseSecondHooks } from './sandbox-owner';
import { nextTurn } from '../words/waiting';
import { REASON } from './unheard';

export class ResetIsolation implements InstanceIsolation {
  readonly hasEnd: boolean = false;

  protected readonly db: Hooked['db'];
  protected readonly instance: Hooked['instance'];

  constructor(
    protected readonly hooked: Hooked,
    private readonly kind: 'reset' | 'recycle',
  ) {
    this.db = hooked.db;
    this.instance = hooked.instance;
    keepIdle(this.instance.pool);
  }

  async open(): Promise<void> {
    this.refuseSecond();
    await this.reset();
  }

  async close(earlier: OpenThings = new Set()): Promise<LeakReport> {
    const leaks = await lookForLeaks(watched(this.instance), earlier);
    // Now, so that the hooks of the suite do not have to wait for the locks.
    if (!isEmpty(leaks)) await this.reset();
    return leaks;
  }

  openNow(): OpenThings {
    return openIn(watched(this.instance));
  }

  async hasOpen(earlier: OpenThings): Promise<boolean> {
    return !isEmpty(await lookForLeaks(watched(this.instance), earlier));
  }

  nest(): Isolation {
    return new InnerLook(this.instance);
  }

  async end(): Promise<void> {
    // Without a reset, destroy() would wait for what is still open.
    await this.reset();
    await this.db.destroy();
    this.db.initialize();
    closeWhenIdle(this.instance.pool);
  }

  protected refuseSecond(): void {
    refuseSecondHooks(this.instance, this);
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
