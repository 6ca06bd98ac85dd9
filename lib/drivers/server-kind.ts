// What kind of server a connection leads to, as `targetSessionAttrs` asks for it (the same as libpq's target_session_attrs).

export type TargetSessionAttrs = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby';

export interface ServerKind {
  /** Sessions may not write, unless they say so themselves. */
  readonly isReadOnly: boolean;
  /** It follows another server. Undefined: the database has no such notion. */
  readonly isStandby?: boolean;
  /** Where it is, for errors. */
  readonly address: string | undefined;
}

export interface ServerKindTeller<C> {
  /** What `targetSessionAttrs` can ask for, beside 'any'. Absent: nothing. */
  readonly serverKinds?: readonly TargetSessionAttrs[];
  /** What kind of server a connection leads to. @param ask sends one statement of this package's own */
  serverKind?(connection: C, ask: (sql: string) => Promise<unknown>): Promise<ServerKind>;
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
