// Which transaction a query belongs to that was asked of the instance itself: none, that of the async context, or the pinned one.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Session } from './session';

/** A transaction that queries of the instance run in. */
export interface Home {
  readonly session: Session;
  readonly parent: Home | undefined;
  readonly isOver: boolean;
  /** Lets a query of the instance in, when it is its turn. Rejects where nothing may be asked any more. */
  letIn(askedAt: Asked | undefined): Promise<object>;
}

/** Where something was asked, and by which builder, while that is recorded. */
export interface Asked {
  stack?: string;
  builder?: object;
}

export class Ambient {
  /** Costs every promise of the process from its first use on, so it is made only then. Taking it away again costs more. */
  #context: AsyncLocalStorage<Home> | undefined;
  /** The home of everything that has none by its context. */
  pinned: Home | undefined;

  current(): Home | undefined {
    let home = this.#context?.getStore();
    while (home?.isOver && home.parent) home = home.parent;
    return home ?? this.pinned;
  }

  run<T>(home: Home, work: () => T): T {
    this.#context ??= new AsyncLocalStorage();
    return this.#context.run(home, work);
  }
}
