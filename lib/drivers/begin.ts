// How a transaction is begun as more than knex's own BEGIN says, or says in the server's words. Each family of drivers writes it.

/** What a transaction is begun as. Undefined: the server's default. */
export interface TransactionModes {
  readonly isolationLevel?: string | undefined;
  readonly readOnly?: boolean | undefined;
  /** PostgreSQL only. */
  readonly deferrable?: boolean | undefined;
}

/** The statements. Undefined: knex's own are right. */
export type Begin = (this: void, modes: TransactionModes) => string[] | undefined;

/** In words that every server with such modes understands. */
export function modesOf({ isolationLevel, readOnly, deferrable }: TransactionModes): string[] {
  return [
    ...(isolationLevel === undefined ? [] : [`ISOLATION LEVEL ${isolationLevel}`]),
    ...(readOnly === undefined ? [] : [readOnly ? 'READ ONLY' : 'READ WRITE']),
    ...(deferrable === undefined ? [] : [deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE']),
  ];
}
