// What was thrown, by whatever code.

/** Something thrown or refused, which may be any value: its presence is that of the object. */
export interface Failure {
  readonly error: unknown;
}
