// The counts of resets and evictions when the opening of a connection started. A pool has one stamp at a time, and lends only the connections that have it.
export interface Stamp {
  readonly generation: number;
  readonly evictionCount: number;
}
