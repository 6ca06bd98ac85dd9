// Guards the calls to a driver. If its client throws, or code that a user has wrapped around it, only that connection is lost.
import type { Driver } from './driver';

/** The methods of a driver. */
type Method = {
  [K in keyof Driver]-?: NonNullable<Driver[K]> extends (...args: never[]) => unknown ? K : never;
}[keyof Driver];

/** What the caller gets when a driver's method throws. */
type Otherwise<K extends Method> =
  | { readonly returns: ReturnType<NonNullable<Driver[K]>> }
  | { readonly resolves: Awaited<ReturnType<NonNullable<Driver[K]>>> }
  /** A rejection. */
  | 'rejects'
  /** The caller handles it. */
  | 'throws';

const OTHERWISE: { readonly [K in Method]: Otherwise<K> } = {
  isOwn: { returns: false },
  insteadFor: { returns: undefined },
  backendId: { returns: undefined },
  begin: { returns: undefined },
  // A connection that cannot be asked is in doubt, so it is not lent as it is.
  status: { returns: 'failed' },
  isInStep: { returns: false },
  isAltered: { returns: true },
  isGone: { returns: true },
  cancel: { resolves: false },
  destroySocket: { returns: undefined },
  openSideConnection: { returns: undefined },
  isSameServer: { returns: false },
  saysRolledBack: { returns: false },
  hasCommitted: { returns: false },
  mayHaveEnded: { returns: true },
  commitsSilently: { returns: false },
  wasRestarted: { returns: false },
  endHeard: { returns: undefined },
  watchRefusal: { returns: { heard: () => undefined, end() {} } },
  watchCut: { returns: { hasCut: () => false, end() {} } },
  losesDataOnClose: { returns: false },
  send: 'rejects',
  closeGracefully: 'rejects',
  resetSession: 'rejects',
  toldServerKind: { returns: undefined },
  askServerKind: 'rejects',
  checkConstraints: 'rejects',
  carry: 'throws',
  tap: 'throws',
  observeOpening: 'throws',
};

type Call = (...given: unknown[]) => unknown;

/** The same driver, whose methods do not throw, except for those that the table names. */
export function guarded<C>(driver: Driver<C>): Driver<C> {
  const methods = { ...driver } as unknown as Record<Method, Call | undefined>;
  for (const name of Object.keys(OTHERWISE) as Method[]) {
    const method = methods[name];
    if (method) methods[name] = guard(method, OTHERWISE[name]);
  }
  return methods as unknown as Driver<C>;
}

function guard(method: Call, otherwise: Otherwise<Method>): Call {
  if (otherwise === 'throws') return method;
  if (otherwise === 'rejects') return async (...given) => method(...given);
  if ('returns' in otherwise) return orReturns(method, otherwise.returns);
  return async (...given) => {
    try {
      return await method(...given);
    } catch {
      return otherwise.resolves;
    }
  };
}

/** Most are called with each statement, and none has more than two parameters. */
function orReturns(method: Call, otherwise: unknown): Call {
  return (one, two) => {
    try {
      return method(one, two);
    } catch {
      return otherwise;
    }
  };
}
