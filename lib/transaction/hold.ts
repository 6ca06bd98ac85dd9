// A transaction that is held open by this package itself, for a sandbox: begun like any other, and only ever rolled back.
import type { Instance } from '../pool/instance';
import { Turns } from '../pool/turns';
import { scopeOf } from './begin';
import { endWithin, rollBack } from './exit';
import type { SandboxRoot, Scope } from './scope';

/** Begins it. Everything on its connection takes turns from then on. */
export async function hold(instance: Instance, sandbox: SandboxRoot): Promise<Scope> {
  const { client, knex } = instance;
  const config = { userParams: knex.userParams as object, doNotRejectOnRollback: true };
  const handle = await new Promise<Parameters<typeof scopeOf>[0]>((resolve, reject) => {
    client.transaction(resolve, config as never).catch(reject);
  });
  const scope = scopeOf(handle) as Scope;
  scope.sandbox = sandbox;
  scope.session.turns = new Turns();
  return scope;
}

/** Ends it and all that is open inside: what runs is cancelled, what was done is undone. */
export async function letGo(scope: Scope, reason: Error): Promise<void> {
  scope.doom ??= reason;
  if (scope.isAborted) {
    scope.settle();
  } else if (scope.phase === 'open') {
    endWithin(scope, reason);
    await rollBack(scope, reason);
  }
  await scope.whenOver;
}
