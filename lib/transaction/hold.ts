// Holds a transaction open for its owner, until the owner lets go of it.
import { refusalOf, type SandboxOwner } from '../pool/sandboxes';
import type { CallSite } from '../words/call-site';
import type { Failure } from '../words/failure';
import type { ControlledTransaction } from './controlled-transaction';

/** Rides in the config of a transaction that is held open for a sandbox. */
export const HELD = Symbol('knex-reset.held');

/** What makes a transaction that of a sandbox. */
export interface HeldSpec<T> {
  holder: SandboxOwner;
  /** Where it was asked for. */
  stack: CallSite;
  /** It is open, and stays open until it is released: it has neither a handle nor a callback that would end it. */
  readonly begun: (transaction: T) => void;
}

export class Hold<T extends ControlledTransaction> {
  readonly owner: SandboxOwner;
  readonly #begun: HeldSpec<T>['begun'];
  #closed: Failure | undefined;

  constructor({ holder, begun }: HeldSpec<T>) {
    this.owner = holder;
    this.#begun = begun;
  }

  /** It has begun. The promise that its end would settle never settles. */
  open(transaction: T): Promise<never> {
    return new Promise(() => this.#begun(transaction));
  }

  /** What is asked in a sandbox that was closed. Made only if it is used: an error costs as much as the way of a query through here. */
  refusal({ state, isOver }: ControlledTransaction): Failure | undefined {
    if (state.is === 'rollingBack' || isOver) this.#closed ??= { error: refusalOf(this.owner) };
    return this.#closed;
  }
}

/** Resolves when it is open. It has neither a handle nor a callback that would end it. */
export function held<T>(
  { holder, stack }: Pick<HeldSpec<T>, 'holder' | 'stack'>,
  make: (spec: HeldSpec<T>) => PromiseLike<unknown>,
): Promise<T> {
  return new Promise((resolve, reject) => void make({ holder, stack, begun: resolve }).then(undefined, reject));
}
