// Which connections a driver is about to open: knex shows one only once it is open.

export interface Openings<C = unknown> {
  add(connection: C): void;
  delete(connection: C): void;
}

export interface OpeningObserver<C> {
  /** The driver's module, changed so that it reports every raw connection that it starts to open. Absent: it cannot report that. */
  observeOpening?(module: unknown, openings: Openings<C>): unknown;
}
