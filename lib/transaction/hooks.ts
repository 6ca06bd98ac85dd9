// The hooks of one whole transaction, in the order in which they were registered, across its savepoints and dropped with them.
import type { Knex } from 'knex';
import type { TransactionHook, TransactionHookContext, TransactionHooks } from '../words/block-types';
import { type HookKind, isOnce } from './hook-table';

let moments = 0;

/** Of a site, or of a hook that is registered: by no clock, what came later has a higher number. */
export function nextMoment(): number {
  return ++moments;
}

/** Where a hook was registered. */
export interface HookSite {
  /** Before whatever is registered in it. */
  readonly madeAt: number;
  readonly parent: HookSite | undefined;
  readonly id: string;
  readonly label: string | undefined;
  readonly depth: number;
  readonly attempt: number;
  readonly handle: Knex.Transaction | undefined;
  readonly isOpen: boolean;
}

interface Entry {
  kind: HookKind;
  hook: TransactionHook;
  /** The same for a hook that was registered by the outer and the inner block. */
  source: unknown;
  site: HookSite;
  addedAt: number;
}

export interface HookOccasion {
  error?: unknown;
  fatal?: boolean;
}

const isWithin = (site: HookSite | undefined, outer: HookSite): boolean =>
  site === outer || (site !== undefined && isWithin(site.parent, outer));

export class HookRegister {
  readonly #entries: Entry[] = [];
  /** The afterBegin hooks of what is just beginning: they are of no use afterwards. */
  #beginning: Entry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length + this.#beginning.length === 0;
  }

  add(site: HookSite, kind: HookKind, hook: TransactionHook, source: unknown = hook): void {
    const entries = kind === 'afterBegin' ? this.#beginning : this.#entries;
    entries.push({ kind, hook, source, site, addedAt: nextMoment() });
  }

  /** @param isKnown the transaction as a whole has them already, from its outermost one */
  addAll(site: HookSite, hooks: TransactionHooks | undefined, isKnown = false): void {
    if (!hooks) return;
    for (const [kind, hook] of Object.entries(hooks) as [HookKind, TransactionHook | undefined][]) {
      if (hook && !(isKnown && isOnce(kind))) this.add(site, kind, (context) => hook.call(hooks, context), hook);
    }
  }

  /** Forgets what was registered inside a savepoint that is undone; gives back what has to run because of that. */
  drop(undone: HookSite): HookRegister {
    const entries = this.#entries;
    // What was registered before it was made is not looked at: a long transaction has many.
    let first = entries.length;
    while (first > 0 && (entries[first - 1] as Entry).addedAt > undone.madeAt) first--;
    const dropped = new HookRegister();
    for (const entry of entries.splice(first)) (isWithin(entry.site, undone) ? dropped.#entries : entries).push(entry);
    return dropped;
  }

  /** Runs the afterBegin hooks of what has just begun until one throws. */
  async runAfterBegin(begun: HookSite): Promise<void> {
    const entries = this.#beginning;
    this.#beginning = [];
    for (const entry of entries) if (entry.site === begun) await call(entry, {});
  }

  /** Runs the beforeCommit hooks until one throws. Hooks that are registered meanwhile run too. */
  async runBeforeCommit(): Promise<void> {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.kind === 'beforeCommit') await call(entry, {}, openAround(entry.site).handle);
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

/** A savepoint has ended long before COMMIT: what is asked then, the one around it that is open has to send. */
function openAround(site: HookSite): HookSite {
  let around = site;
  while (!around.isOpen && around.parent) around = around.parent;
  return around;
}

async function call({ hook, site }: Entry, occasion: HookOccasion, handle = site.handle): Promise<void> {
  const { id, label, depth, attempt } = site;
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
