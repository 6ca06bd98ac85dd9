// The hooks of one whole transaction, in the order in which they were registered, across its savepoints and dropped with them.
import type { Knex } from 'knex';
import type { TransactionHook, TransactionHookContext, TransactionHooks } from '../words/block-types';
import { type HookKind, isOnce } from './hook-table';

/** Where a hook was registered. */
export interface HookSite {
  readonly parent: HookSite | undefined;
  readonly id: string;
  readonly label: string | undefined;
  readonly depth: number;
  readonly attempt: number;
  readonly handle: Knex.Transaction | undefined;
}

interface Entry {
  kind: HookKind;
  hook: TransactionHook;
  /** The same for a hook that was registered by the outer and the inner block. */
  source: unknown;
  site: HookSite;
}

export interface HookOccasion {
  error?: unknown;
  fatal?: boolean;
}

const isWithin = (site: HookSite | undefined, outer: HookSite): boolean =>
  site === outer || (site !== undefined && isWithin(site.parent, outer));

export class HookRegister {
  #entries: Entry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  add(site: HookSite, kind: HookKind, hook: TransactionHook, source: unknown = hook): void {
    this.#entries.push({ kind, hook, source, site });
  }

  addAll(site: HookSite, hooks: TransactionHooks | undefined): void {
    if (!hooks) return;
    for (const [kind, hook] of Object.entries(hooks)) {
      if (hook) this.add(site, kind as HookKind, (context) => hook.call(hooks, context), hook);
    }
  }

  /** Forgets what was registered inside a savepoint that is undone; gives back what has to run because of that. */
  drop(undone: HookSite): HookRegister {
    const dropped = new HookRegister();
    dropped.#entries = this.#entries.filter((entry) => isWithin(entry.site, undone));
    this.#entries = this.#entries.filter((entry) => !isWithin(entry.site, undone));
    return dropped;
  }

  /** Runs the hooks of a kind until one throws. Hooks that are registered meanwhile run too. */
  async run(kind: HookKind, occasion: HookOccasion = {}, only?: HookSite): Promise<void> {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.kind === kind && (only === undefined || entry.site === only)) await call(entry, occasion);
    }
  }

  /** Runs all hooks of a kind, whatever they throw, and gives back what they threw. */
  async runAll(kind: HookKind, occasion: HookOccasion = {}): Promise<unknown[]> {
    const errors: unknown[] = [];
    const told = new Set<unknown>();
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.kind !== kind || (isOnce(kind) && told.has(entry.source))) continue;
      told.add(entry.source);
      try {
        await call(entry, occasion);
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }
}

async function call({ hook, site }: Entry, occasion: HookOccasion): Promise<void> {
  const { id, label, depth, attempt, handle } = site;
  const context: TransactionHookContext = Object.freeze({
    trx: handle as Knex.Transaction,
    id,
    label,
    depth,
    attempt,
    error: occasion.error,
    fatal: occasion.fatal ?? false,
  });
  await hook(context);
}
