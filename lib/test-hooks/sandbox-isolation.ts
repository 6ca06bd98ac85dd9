// Isolation by a sandbox: a test begins in a transaction that is rolled back after it, a test inside that with a savepoint.
import { SandboxError } from '../words/errors';
import type { LeakReport, Sandbox } from '../words/types';
import type { Hooked, Isolation, OpenThings } from './isolation';
import { isEmpty } from './look-for-leaks';
import { Outside } from './outside';
import { ResetIsolation } from './reset-isolation';
import { disown, own } from './sandbox-owner';
import { ownSandbox } from './unheard';
import { nextTurn } from '../words/waiting';

export class SandboxIsolation extends ResetIsolation {
  override readonly hasEnd = true;
  #sandbox: Sandbox | undefined;

  protected readonly outside: Outside;

  /** @param sparesOpen what is open already belongs to the app, not to an earlier test or hook */
  constructor(hooked: Hooked, sparesOpen: boolean) {
    super(hooked, 'reset');
    this.outside = new Outside(this.instance, () => this.reset());
    if (sparesOpen) this.outside.spare();
  }

  override async open(): Promise<void> {
    await this.close().catch(() => {});
    this.refuseSecond();
    if (this.instance.pool.queue.isClosed) await this.reset();
    await this.clearOutside();
    this.#sandbox = await this.openSandbox();
    ownSandbox(this.instance.ambient.pinned);
  }

  override async close(earlier: OpenThings = new Set()): Promise<LeakReport> {
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    disown(this.instance, this);
    if (!sandbox) return { transactions: [], queries: [] };
    await this.#lastAsked();
    // While it is pinned, nothing gets to the pool but what was asked outside.
    const outside = await this.outside.look(earlier);
    if (isEmpty(outside)) return sandbox.close();
    try {
      const inside = await sandbox.close();
      return {
        transactions: [...inside.transactions, ...outside.transactions],
        queries: [...inside.queries, ...outside.queries],
      };
    } finally {
      await this.outside.end(earlier);
    }
  }

  override async hasOpen(earlier: OpenThings): Promise<boolean> {
    if (!this.#sandbox) return false;
    await this.#lastAsked();
    const { inside, guests } = this.#pinned;
    if (guests > 0 || inside.some((id) => !earlier.has(id))) return true;
    return !isEmpty(await this.outside.look(earlier));
  }

  /** What was asked last gets into the sandbox, or to the pool, a few steps later. */
  async #lastAsked(): Promise<void> {
    await nextTurn();
    await this.instance.recording.allBegun;
  }

  override nest(): Isolation {
    return new InnerSandbox(this.hooked, () => this.#sandbox);
  }

  protected clearOutside(): Promise<void> {
    return this.outside.clear();
  }

  protected async openSandbox(): Promise<Sandbox> {
    const sandbox = await this.db.openSandbox();
    own(this.instance, this);
    return sandbox;
  }

  override openNow(): OpenThings {
    return new Set([...this.#pinned.inside, ...this.outside.openNow()]);
  }

  /** The ids of the transactions inside, and how many queries there are. */
  get #pinned(): { inside: string[]; guests: number } {
    const root = this.instance.ambient.pinned as OpenRoot | undefined;
    return { inside: root?.openInside().map(({ id }) => id) ?? [], guests: root?.sandbox?.guests.size ?? 0 };
  }
}

/** Of a test inside another, a savepoint in the outer one's sandbox. */
class InnerSandbox extends SandboxIsolation {
  readonly #outer: () => Sandbox | undefined;

  constructor(hooked: Hooked, outer: () => Sandbox | undefined) {
    super(hooked, false);
    this.#outer = outer;
  }

  /** The outer test goes on with what it has open there. */
  protected override async clearOutside(): Promise<void> {
    this.outside.spare();
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
  readonly sandbox: { readonly guests: ReadonlySet<unknown> } | undefined;
}
