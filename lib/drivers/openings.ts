// Which connections a driver is about to open: knex shows one only once it is open.

export interface Openings<C = unknown> {
  add(connection: C): void;
  delete(connection: C): void;
}

export interface OpeningObserver<C> {
  /** The driver's module, made to tell of every raw connection that it starts to open; absent where it cannot be told. */
  observeOpening?(module: unknown, openings: Openings<C>): unknown;
}
