// Which connections a driver is about to open: knex shows one only once it is open.

export interface Openings<C = unknown> {
  add(connection: C): void;
  delete(connection: C): void;
}

export interface OpeningObserver<C> {
  /**
   * The driver's module, changed so that it reports every raw connection that it starts to open. Absent: it cannot report that.
   * @param keepsServerKind whether what the server tells of its kind meanwhile is kept for `toldServerKind()`
   */
  observeOpening?(module: unknown, openings: Openings<C>, keepsServerKind?: boolean): unknown;
}
