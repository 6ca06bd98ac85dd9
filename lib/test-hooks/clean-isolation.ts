// Isolation by empty tables: a test begins with cleaned connections, and without what earlier ones have committed.
import type { Hooked } from './isolation';
import { ResetIsolation } from './reset-isolation';

export class CleanIsolation extends ResetIsolation {
  constructor(hooked: Hooked) {
    super(hooked, 'recycle');
  }

  override async open(): Promise<void> {
    // First, so that nothing holds a lock.
    await super.open();
    await this.hooked.emptyTables();
  }
}
