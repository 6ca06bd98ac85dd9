// How a transaction is begun as more than knex's own BEGIN says, or says in the server's words.

/** What a transaction is begun as. Undefined: the server's default. */
export interface TransactionModes {
  readonly isolationLevel?: string | undefined;
  readonly readOnly?: boolean | undefined;
  /** PostgreSQL only. */
  readonly deferrable?: boolean | undefined;
}

/** The statements. Undefined: knex's own are right. */
export type Begin = (this: void, modes: TransactionModes) => string[] | undefined;

function access({ isolationLevel, readOnly }: TransactionModes): string[] {
  return [
    ...(isolationLevel === undefined ? [] : [`ISOLATION LEVEL ${isolationLevel}`]),
    ...(readOnly === undefined ? [] : [readOnly ? 'READ ONLY' : 'READ WRITE']),
  ];
}

export const beginOnPostgres: Begin = (modes) => {
  const { readOnly, deferrable } = modes;
  if (readOnly !== false && deferrable === undefined) return undefined;
  const constraints = deferrable === undefined ? [] : [deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE'];
  return [`BEGIN TRANSACTION ${[...access(modes), ...constraints].join(' ')};`];
};

/** Knex forgets the comma. */
export const beginOnMysql: Begin = (modes) => {
  const { readOnly, isolationLevel } = modes;
  if (readOnly !== false && !(readOnly && isolationLevel)) return undefined;
  return [`SET TRANSACTION ${access(modes).join(', ')};`, 'BEGIN;'];
};
