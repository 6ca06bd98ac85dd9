// Transactions that always roll back, for tests: one for a callback's async context, or one that the whole instance is pinned to.
import type { Recording } from '../diagnostics/recording';
import { SandboxError } from '../errors';
import { callable, checkOptions, flag, ignoreRunnerArgument, refuse } from '../options';
import type { Instance } from '../pool/instance';
import type { Awaitable } from '../block-types';
import type { LeakReport, Sandbox, SandboxOptions } from '../types';
import { OpenSandbox } from './open-sandbox';

function checkSandboxOptions(where: string, given: unknown): SandboxOptions {
  return checkOptions<SandboxOptions>(where, given, { checkConstraints: flag });
}

/** `db.sandbox()`. */
export async function runInSandbox<T>(
  instance: Instance,
  recording: Recording,
  body: () => Awaitable<T>,
  given: unknown,
): Promise<T> {
  if (!callable.accepts(body)) refuse('sandbox', body, 'a function as the body');
  const options = checkSandboxOptions('sandbox', given);
  const sandbox = await OpenSandbox.open(instance, recording, options);
  let result: T;
  try {
    result = await instance.ambient.run(sandbox.home, async () => await body());
  } catch (error) {
    // The body's error is what the caller has to see.
    await sandbox.close().catch(() => {});
    throw error;
  }
  await sandbox.close();
  return result;
}

/** `db.openSandbox()`. */
export async function pinSandbox(instance: Instance, recording: Recording, given: unknown): Promise<Sandbox> {
  const options = checkSandboxOptions('openSandbox', ignoreRunnerArgument(given));
  const { ambient } = instance;
  const sandbox = await OpenSandbox.open(instance, recording, options);
  if (ambient.pinned) {
    await sandbox.close();
    throw new SandboxError('openSandbox: a sandbox of this instance is open already');
  }
  ambient.pinned = sandbox.home;
  return {
    close(): Promise<LeakReport> {
      return sandbox.close().finally(() => {
        if (ambient.pinned === sandbox.home) ambient.pinned = undefined;
      });
    },
  };
}
