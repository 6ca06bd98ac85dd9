// A transaction that is held open by this package itself, for a sandbox: begun like any other, and only ever rolled back.
import type { Knex } from 'knex';
import type { TransactionConfig } from '../knex/insides';
import type { Held, Holder, Instance } from '../pool/instance';
import { Turns } from '../pool/turns';
import { scopeOf } from './begin';
import { endWithin, rollBack } from './exit';
import type { Scope } from './scope';
import { sendOwn } from './steps';

/** Begins it. Everything on its connection takes turns from then on. */
export async function hold(instance: Instance, holder: Holder): Promise<Held> {
  const { client, knex } = instance;
  const config = { userParams: knex.userParams as object, doNotRejectOnRollback: true } as TransactionConfig;
  const handle = await new Promise<Knex.Transaction>((resolve, reject) => {
    client.transaction(resolve, config).catch(reject);
  });
  const scope = scopeOf(handle) as Scope;
  scope.sandbox = holder;
  scope.session.turns = new Turns();
  return {
    home: scope,
    get doom() {
      return scope.doom;
    },
    get isBusy() {
      return holder.guests.size > 0 || scope.openInside().some((inner) => inner.running > 0);
    },
    describeInside: () => scope.openInside().map((inner) => inner.describe()),
    send: (sql) => sendOwn(scope, sql),
    letGo: (reason) => letGo(scope, reason),
  };
}

/** Ends it and all that is open inside: what runs is cancelled, what was done is undone. */
async function letGo(scope: Scope, reason: Error): Promise<void> {
  scope.doom ??= reason;
  if (scope.isAborted) {
    scope.settle();
  } else if (scope.phase === 'open') {
    endWithin(scope, reason);
    await rollBack(scope, reason);
  }
  await scope.whenOver;
}
