// Which hooks have a sandbox open for the test of an instance. Other hooks of the same instance must not end it: they are refused.
import { SandboxError } from '../words/errors';

const owners = new WeakMap<object, object>();

/** The sandbox that is pinned now is theirs. */
export function own(instance: object, owner: object): void {
  owners.set(instance, owner);
}

export function disown(instance: object, owner: object): void {
  if (owners.get(instance) === owner) owners.delete(instance);
}

/** @throws SandboxError where other hooks have a sandbox open */
export function refuseSecondHooks(instance: object, owner: object): void {
  const first = owners.get(instance);
  if (first === undefined || first === owner) return;
  throw new SandboxError(
    'resetHooks is active twice for this instance: other hooks have opened a sandbox for this test already. Use one resetHooks() for ' +
      "each instance, as root hooks or in a describe. Only hooks inside those with isolation 'reset', 'recycle' or 'clean' may have another",
  );
}
