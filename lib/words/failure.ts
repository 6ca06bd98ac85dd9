// A value that was thrown.

/** A thrown value, which may be any value, undefined included: the object shows that there is one. A promise resolves with it whatever the value is. */
export interface Failure {
  readonly error: unknown;
}
