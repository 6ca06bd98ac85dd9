// Faults that wait for their moment: the nth time that a statement of a kind is about to run, has run, or has been answered.
import type { Hurt } from '../network/hurt';

export type Target =
  | 'any'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback to'
  | 'insert'
  | 'update'
  | 'select'
  | 'discard'
  | 'startup';

/** `before` it runs, once it has run and `before its answer`, in the middle of its answer, `after` it. */
export type Moment = 'before' | 'before its answer' | 'in its answer' | 'after';

export type Effect =
  | { is: 'error' | 'fatal'; code: string }
  | { is: Hurt }
  | { is: 'crash'; downMillis: number }
  | { is: 'freeze' | 'freeze server' | 'standby'; millis: number };

export interface Ambush {
  on: Target;
  when: Moment;
  /** How many are let pass first. */
  skip: number;
  effect: Effect;
}

export class Ambushes {
  #waiting: Ambush[] = [];

  lay(ambush: Ambush): void {
    this.#waiting.push({ ...ambush });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The effect that is due here, if any. */
  spring(what: string, when: Moment): Effect | undefined {
    if (this.#waiting.length === 0) return undefined;
    for (const ambush of this.#waiting) {
      if (ambush.when !== when || (ambush.on !== 'any' && ambush.on !== what)) continue;
      // What a COMMIT has stored is answered before anything else is said.
      if (ambush.effect.is === 'fatal' && what === 'commit' && when === 'before its answer') continue;
      if (ambush.skip > 0) {
        ambush.skip -= 1;
        continue;
      }
      this.#waiting = this.#waiting.filter((other) => other !== ambush);
      return ambush.effect;
    }
    return undefined;
  }
}
