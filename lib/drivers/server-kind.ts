// What kind of server a connection leads to, as `targetSessionAttrs` asks for it (the same as libpq's target_session_attrs).

export type TargetSessionAttrs = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby';

export interface ServerKind {
  /** Sessions may not write, unless they say so themselves. */
  readonly isReadOnly: boolean;
  /** It follows another server. Undefined: the database has no such notion. */
  readonly isStandby?: boolean;
  /** Where it is. Undefined: behind a stream that does not tell. */
  readonly address: string | undefined;
}

export interface AskedServerKind extends ServerKind {
  /** The session has the id that the driver was told at login: no pooler is between, and what was told at login is the server's own. */
  readonly isDirect?: boolean;
}

export interface ServerKindTeller<C> {
  /** What `targetSessionAttrs` can ask for, beside 'any'. Absent: nothing. */
  readonly serverKinds?: readonly TargetSessionAttrs[];
  /** The kind that a connection was told without a query. Undefined: it was not. A pooler repeats what another connection was told earlier. */
  toldServerKind?(connection: C): ServerKind | undefined;
  /** Asks what kind of server a connection leads to. @param ask sends one statement of this package's own */
  askServerKind?(connection: C, ask: (sql: string) => Promise<unknown>): Promise<AskedServerKind>;
}

/** How errors call a server that is not of the wanted kind. Undefined: it is of that kind. */
export function otherKind(wanted: TargetSessionAttrs, { isReadOnly, isStandby }: ServerKind): string | undefined {
  switch (wanted) {
    case 'read-write':
      return isReadOnly ? `'read-only'${isStandby ? ' (a standby)' : ''}` : undefined;
    case 'read-only':
      return isReadOnly ? undefined : `'read-write'`;
    case 'primary':
      return isStandby ? `'standby'` : undefined;
    case 'standby':
      return isStandby ? undefined : `'primary'`;
    default:
      return undefined;
  }
}
