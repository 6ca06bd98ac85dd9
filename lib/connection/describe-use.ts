// Shows what uses a connection in reports, where it is not registered: a query, a transaction begun by hand or before the instance was resettable.
import type { OpenTransaction } from '../words/types';

export interface UsedConnection {
  readonly backendId: number | undefined;
  readonly openedAt: number;
  readonly lent: boolean;
  readonly lease: { readonly since: number };
  readonly lastSql: string | undefined;
}

export function describeUse(connection: UsedConnection, id: string, state: OpenTransaction['state']): OpenTransaction {
  const { backendId, lent, lease, openedAt, lastSql } = connection;
  const since = lent ? lease.since : openedAt;
  return {
    id,
    label: undefined,
    backendId,
    openedAt: new Date(since),
    ageMillis: Date.now() - since,
    depth: 1,
    state,
    lastSql,
    stack: '',
  };
}
