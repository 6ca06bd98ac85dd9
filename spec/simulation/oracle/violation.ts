// What an invariant says when it does not hold.

export interface Violation {
  /** The invariant's name: a shrunk schedule breaks the same one. */
  rule: string;
  text: string;
}

/** Collects the violations of one invariant. */
export class Verdict {
  readonly violations: Violation[] = [];

  constructor(private readonly rule: string) {}

  hold(isHeld: boolean, text: () => string): void {
    if (!isHeld) this.violations.push({ rule: this.rule, text: text() });
  }
}
