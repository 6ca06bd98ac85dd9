// Isolation by a sandbox: a test begins in a transaction that is rolled back after it, a test inside that with a savepoint.
import { SandboxError } from '../words/errors';
import type { LeakReport, Sandbox } from '../words/types';
import type { Hooked, Isolation } from './isolation';
import { ResetIsolation } from './reset-isolation';
import { disown, own } from './sandbox-owner';
import { nextTurn } from '../words/waiting';

export class SandboxIsolation extends ResetIsolation {
  override readonly hasEnd = true;
  #sandbox: Sandbox | undefined;

  constructor(hooked: Hooked) {
    super(hooked, 'reset');
  }

  override async open(): Promise<void> {
    await this.close().catch(() => {});
    this.refuseSecond();
    if (this.instance.pool.queue.isClosed) await this.reset();
    this.#sandbox = await this.openSandbox();
  }

  override async close(): Promise<LeakReport> {
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    disown(this.instance, this);
    if (!sandbox) return { transactions: [], queries: [] };
    // What was asked last gets into the sandbox a few steps later.
    await nextTurn();
    return sandbox.close();
  }

  override nest(): Isolation {
    return new InnerSandbox(this.hooked, () => this.#sandbox);
  }

  protected async openSandbox(): Promise<Sandbox> {
    const sandbox = await this.db.openSandbox();
    own(this.instance, this);
    return sandbox;
  }

  override openNow(): string[] {
    const root = this.instance.ambient.pinned as OpenRoot | undefined;
    return root?.openInside().map(({ id }) => id) ?? [];
  }
}

/** Of a test inside another, a savepoint in the outer one's sandbox. */
class InnerSandbox extends SandboxIsolation {
  readonly #outer: () => Sandbox | undefined;

  constructor(hooked: Hooked, outer: () => Sandbox | undefined) {
    super(hooked);
    this.#outer = outer;
  }

  /** The hooks are those of the outer test. */
  protected override refuseSecond(): void {}

  protected override async openSandbox(): Promise<Sandbox> {
    const outer = this.#outer();
    if (!outer) throw new SandboxError('the sandbox of the test around this one is closed');
    return this.hooked.nestSandbox(outer);
  }
}

/** The transaction of a sandbox. */
interface OpenRoot {
  openInside(): { id: string }[];
}
