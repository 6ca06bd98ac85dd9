// The counts of resets and evictions when the opening of a connection started. One with older counts than its pool's is never lent again.
export interface Stamp {
  readonly generation: number;
  readonly evictionCount: number;
}
