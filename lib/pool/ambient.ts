// Which transaction a query belongs to that was asked of the instance itself: none, that of the async context, or the pinned one.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Connection } from '../connection/connection';
import type { QueryOrigin } from '../words/call-site';

/** A transaction that queries of the instance run in. */
export interface EnclosingTransaction {
  readonly connection: Connection;
  readonly parent: EnclosingTransaction | undefined;
  readonly isOver: boolean;
  /** Lets a query of the instance in, when it is its turn. Rejects where nothing may be asked any more. */
  enlist(askedAt: QueryOrigin | undefined): Promise<object>;
}

export class Ambient {
  /** Costs every promise of the process from its first use on, so it is made only then. Taking it away again costs more. */
  #context: AsyncLocalStorage<EnclosingTransaction> | undefined;
  /** The enclosing of everything that has none by its context. */
  pinned: EnclosingTransaction | undefined;

  current(): EnclosingTransaction | undefined {
    let enclosing = this.#context?.getStore();
    while (enclosing?.isOver && enclosing.parent) enclosing = enclosing.parent;
    return enclosing ?? this.pinned;
  }

  run<T>(enclosing: EnclosingTransaction, work: () => T): T {
    this.#context ??= new AsyncLocalStorage();
    return this.#context.run(enclosing, work);
  }
}
