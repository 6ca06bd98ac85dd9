// What has failed inside a transaction without its callback having waited for it: the transaction must not be committed then.
import type { Failure } from '../words/failure';

export type InnerFailure = Failure & {
  readonly what: 'a query of' | 'a block in' | 'a batch insert in' | 'a transaction in';
};

interface Unheard {
  readonly failure: InnerFailure;
  isHeard(): boolean;
}

export class InnerFailures {
  /** What a query or inner block failed of that the callback had not waited for. */
  #unawaited: InnerFailure | undefined;
  /** Inner blocks that have failed before their promise had a handler. */
  #unheard: Unheard[] | undefined;

  get isEmpty(): boolean {
    return this.#unawaited === undefined && this.#unheard === undefined;
  }

  /** One of those whose promise had no handler. */
  get lost(): InnerFailure | undefined {
    return this.#unawaited ?? this.#unheard?.find((each) => !each.isHeard())?.failure;
  }

  addUnawaited(failure: InnerFailure): void {
    this.#unawaited ??= failure;
  }

  addUnheard(unheard: Unheard): void {
    (this.#unheard ??= []).push(unheard);
  }
}
