// The life of one transaction: the state that it is in, and the only way to another; and its place among those around and inside it.
import { type Deferred, defer } from '../words/waiting';
import type { Failure } from '../words/failure';
import type { Outcome } from './outcome';
import { nextMoment } from './hooks';
import { ACQUIRING, BEGINNING, checkMove, type State, type StateName } from './state';

const TAKES_STATEMENTS: ReadonlySet<StateName> = new Set<StateName>(['open', 'draining', 'doomed']);
const MAY_BE_DOOMED: ReadonlySet<StateName> = new Set<StateName>(['acquiring', 'beginning', 'open', 'draining']);

const NONE: ReadonlySet<never> = new Set();

export abstract class Life {
  /** When it was made. */
  readonly madeAt = nextMoment();
  #state: State = ACQUIRING;
  /** Why nothing more may be asked in it. The first reason counts, for good. */
  #refusal: Failure | undefined;
  /** The server has confirmed its BEGIN or SAVEPOINT. */
  #hasBegun = false;
  #moments: { decided?: Deferred<void>; released?: Deferred<void> } | undefined;

  get state(): State {
    return this.#state;
  }

  /** The transaction around it has ended, or is about to. */
  abstract readonly parentHasEnded: boolean;
  /** What arriving in a state means. */
  protected abstract arrived(to: State): void;
  /** The outcome has just become known. */
  protected abstract decided(outcome: Outcome): void;

  /** The only way to another state. @throws Error for a move that is not in the table */
  move(to: State): void {
    checkMove(this.#state.is, to.is);
    const wasOver = this.isOver;
    this.#state = to;
    if (to.is === 'open') this.#hasBegun = true;
    else if (to.is === 'doomed') this.#refusal ??= { error: to.error };
    else if (to.is === 'aborted') this.#refusal ??= { error: to.told };
    this.arrived(to);
    if (to.is === 'released') this.#moments?.released?.resolve();
    const { outcome } = this;
    if (wasOver || !outcome) return;
    this.#moments?.decided?.resolve();
    this.decided(outcome);
  }

  /** It has a connection. One that was doomed while it waited never begins. */
  protected beginning(): void {
    if (this.#state.is === 'acquiring') this.move(BEGINNING);
  }

  /** Refuses what is asked from now on: nothing of it is stored. Without effect once its end is under way. */
  doom(error: unknown): void {
    if (MAY_BE_DOOMED.has(this.#state.is)) this.move({ is: 'doomed', error });
  }

  /** Its connection was taken away. A rollback that was under way keeps its reason. Returns what its queries get. */
  protected aborted(error: Error): Error {
    const told = (this.#refusal?.error ?? error) as Error;
    const state = this.#state;
    this.move({ is: 'aborted', told, failure: state.is === 'rollingBack' ? { error: state.error } : undefined });
    return told;
  }

  get outcome(): Outcome | undefined {
    const state = this.#state;
    if (state.is === 'inDoubt') return { kind: 'unknown', error: state.error };
    return state.is === 'ended' || state.is === 'released' ? state.outcome : undefined;
  }

  /** Its outcome is known. */
  get isOver(): boolean {
    const { is } = this.#state;
    return is === 'inDoubt' || is === 'ended' || is === 'released';
  }

  /** It has begun, and its end is not under way. */
  get isOpen(): boolean {
    return this.#hasBegun && TAKES_STATEMENTS.has(this.#state.is);
  }

  /** An inner transaction can still be open when the one around it has ended and the connection has another user. */
  get isUsable(): boolean {
    return this.isOpen && !this.parentHasEnded;
  }

  get isAborted(): boolean {
    return this.#state.is === 'aborted';
  }

  get holdsNothing(): boolean {
    return this.isOver || this.isAborted;
  }

  /** COMMIT was sent, its answer is not there yet. */
  get isCommitting(): boolean {
    return this.#state.is === 'committing';
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get ownRefusal(): Failure | undefined {
    return this.#refusal;
  }

  /** What it ends with, or has ended with; undefined while it is open. */
  get endReason(): unknown {
    const state = this.#state;
    if (state.is === 'rollingBack') return state.error;
    if (state.is === 'aborted') return state.failure ? state.failure.error : state.told;
    return this.outcome && this.outcome.kind !== 'committed' ? this.outcome.error : undefined;
  }

  /** Resolves when the outcome is known. */
  get whenDecided(): Promise<void> {
    this.#moments ??= {};
    this.#moments.decided ??= defer();
    if (this.isOver) this.#moments.decided.resolve();
    return this.#moments.decided.promise;
  }

  /** Resolves when it holds its connection no more, and its last hooks have run. */
  get whenOver(): Promise<void> {
    this.#moments ??= {};
    this.#moments.released ??= defer();
    if (this.#state.is === 'released') this.#moments.released.resolve();
    return this.#moments.released.promise;
  }
}

/** Its place among those around and inside it. */
export abstract class Nested<T extends Nested<T>> extends Life {
  #children: Set<T> | undefined;
  /** The one whose child it is. */
  #around: Nested<T> | undefined;

  /** It would have a connection of its own, were it not in a sandbox: it goes on where the one that it was begun in is over. */
  abstract readonly standsAlone: boolean;

  get children(): ReadonlySet<T> {
    return this.#children ?? (NONE as ReadonlySet<T>);
  }

  addChild(child: T): void {
    this.#children = (this.#children ?? new Set()).add(child);
    child.#around = this;
  }

  /** It is over, and with it what is open in it; but for those that stand alone: they are in the one around it from now on. */
  leave(): void {
    const around = this.#around;
    if (!around) return;
    this.#around = undefined;
    around.#children?.delete(this as never);
    // One that is over as well leaves its own here, where they are met next.
    for (const child of this.children) {
      if (child.standsAlone) around.addChild(child);
      else child.leave();
    }
    this.#children = undefined;
  }

  /** The transactions inside that are open or about to be. */
  openInside(): T[] {
    const found: T[] = [];
    const look = (within: Nested<T>) => {
      for (const child of within.children) if (!child.isOver) found.push(child);
    };
    look(this);
    for (const each of found) look(each);
    return found;
  }
}
