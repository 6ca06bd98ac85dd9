// A transaction that is held open by this package itself, for a sandbox: begun like any other, and only ever rolled back.
import type { Held, Holder, Instance } from '../pool/instance';
import type { Stack } from '../pool/stack';
import { Turns } from '../pool/turns';
import { within } from '../waiting';
import { endedBehindOurBack } from './answers';
import { HELD } from './begin';
import { endWithin, rollBack } from './roll-back';
import type { Scope } from './scope';
import type { HeldSpec } from './scope-details';
import type { OpenTransaction } from '../types';

/** Begins it. Everything on its connection takes turns from then on. */
export async function hold(instance: Instance, holder: Holder, stack: Stack): Promise<Held> {
  const { client, knex } = instance;
  const scope = await new Promise<Scope>((resolve, reject) => {
    const held: HeldSpec = { holder, stack, begun: resolve };
    client
      .transaction(neverCalled, { userParams: knex.userParams, doNotRejectOnRollback: true, [HELD]: held })
      .catch(reject);
  });
  const { session } = scope;
  session.turns = new Turns(session, session.driver.takesScripts === true, (sql) =>
    endedBehindOurBack(scope, sql, false),
  );
  return new HeldScope(scope, holder);
}

// A class: an object literal with getters has a hidden class of its own each time, which V8 keeps, with all that it refers to, until a full collection.
class HeldScope implements Held {
  readonly #holder: Holder;

  constructor(
    readonly home: Scope,
    holder: Holder,
  ) {
    this.#holder = holder;
  }

  get doom(): unknown {
    // A connection that had a fatal error is about to end.
    return this.home.doom ?? this.home.session.fatal;
  }

  get isBusy(): boolean {
    return this.#holder.guests.size > 0 || this.home.openInside().some((inner) => inner.running > 0);
  }

  describeInside(): OpenTransaction[] {
    return this.home.openInside().map((inner) => inner.describe());
  }

  letGo(constraintCheck: string | undefined): Promise<unknown> {
    return letGo(this.home, constraintCheck);
  }
}

const neverCalled = () => {};

/** Ends it and all that is open inside: what runs is cancelled, what was done is undone. Returns what the check found, where there was one. */
async function letGo(scope: Scope, constraintCheck: string | undefined): Promise<unknown> {
  let violation: unknown;
  if (scope.isAborted) {
    scope.settle();
  } else if (scope.phase === 'open') {
    scope.phase = 'ending';
    if (scope.children.size > 0) endWithin(scope, scope.refusal);
    if (constraintCheck !== undefined) violation = await checkAndUndo(scope, constraintCheck);
    if (!scope.outcome) await rollBack(scope, scope.doom);
  }
  await scope.whenOver;
  return violation;
}

/** Both in one message where the driver can. A check that fails, or is not answered in time, leaves the rest to a rollback like any other. */
async function checkAndUndo(scope: Scope, constraintCheck: string): Promise<unknown> {
  const { session, instance } = scope;
  const { timeoutMillis } = instance.settings;
  const sent = (session.turns as Turns).finish([constraintCheck, 'ROLLBACK']).then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const answer = await within(timeoutMillis, sent);
  if (answer && answer.error === undefined) scope.decide({ kind: 'rolledBack', error: scope.doom, resolves: true });
  return answer && (session.fatal ?? answer.error);
}
