// Finds the transaction of a query that was asked of the instance itself: none, that of the async context, or the pinned one.
import type { AsyncLocalStorage } from 'node:async_hooks';
import type { StatementQueue } from '../connection/statement-queue';
import { makeContext } from '../words/async-context';
import type { QueryOrigin } from '../words/call-site';

/** A transaction that queries of the instance run in. */
export interface EnclosingTransaction {
  readonly connection: StatementQueue;
  readonly parent: EnclosingTransaction | undefined;
  readonly isOver: boolean;
  /** Set: it is a block. */
  readonly block: object | undefined;
  /** The sandbox that it holds open, if any. */
  readonly sandbox: object | undefined;
  /** Lets a query of the instance in, when it is its turn. Rejects where nothing may be asked any more. */
  enlist(askedAt: QueryOrigin | undefined): Promise<object>;
}

/** The store of work that is outside of whatever was around it, the pinned transaction included. */
const OUTSIDE = Symbol('knex-reset.outside');

export class Ambient {
  /** Costs every promise of the process from its first use on, so it is made only then. Taking it away again costs more. */
  #context: AsyncLocalStorage<EnclosingTransaction | typeof OUTSIDE> | undefined;
  /** The enclosing of everything that has none by its context. */
  pinned: EnclosingTransaction | undefined;

  current(): EnclosingTransaction | undefined {
    let enclosing = this.#context?.getStore();
    if (enclosing === OUTSIDE) return undefined;
    while (enclosing?.isOver && enclosing.parent) enclosing = enclosing.parent;
    return enclosing ?? this.pinned;
  }

  run<T>(enclosing: EnclosingTransaction, work: () => T): T {
    this.#context ??= makeContext();
    return this.#context.run(enclosing, work);
  }

  /** Nothing that the work asks is in a transaction around it. Where there is none, no context is needed. */
  runOutside<T>(work: () => T): T {
    if (this.current() === undefined) return work();
    this.#context ??= makeContext();
    return this.#context.run(OUTSIDE, work);
  }
}
