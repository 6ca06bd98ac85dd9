// How rows of this package's own statements are read on MySQL, whatever the user has set for the connection.

/** What query() of `mysql` and `mysql2` takes beside the SQL. Numbers that may be large are text where the user has set `bigNumberStrings`. */
export const PLAIN_ROWS = {
  // `true` would not do: mysql2 then takes the connection's.
  typeCast: (_field: unknown, next: () => unknown): unknown => next(),
  rowsAsArray: false,
  nestTables: false,
};
