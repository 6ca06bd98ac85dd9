// Transactions that always roll back, for tests: one for a callback's async context, or one that the whole instance is pinned to.
import type { Recording } from '../diagnostics/recording';
import { SandboxError } from '../words/errors';
import { callable, checkOptions, flag, ignoreRunnerArgument, refuse } from '../words/options';
import type { Instance } from '../pool/instance';
import type { CallSite } from '../words/call-site';
import type { Awaitable } from '../words/block-types';
import type { LeakReport, Sandbox, SandboxOptions } from '../words/types';
import { OpenSandbox } from './open-sandbox';

/** What is asked for, and where. */
interface SandboxRequest {
  options: unknown;
  stack: CallSite;
}

function checkSandboxOptions(where: string, given: unknown): SandboxOptions {
  return checkOptions<SandboxOptions>(where, given, { checkConstraints: flag });
}

/** `db.sandbox()`. */
export async function runInSandbox<T>(
  instance: Instance,
  recording: Recording,
  body: () => Awaitable<T>,
  asked: SandboxRequest,
): Promise<T> {
  if (!callable.accepts(body)) refuse('sandbox', body, 'a function as the body');
  const options = checkSandboxOptions('sandbox', asked.options);
  const sandbox = await OpenSandbox.open(instance, recording, { options, stack: asked.stack });
  let result: T;
  try {
    result = await instance.ambient.run(sandbox.enclosing, async () => await body());
  } catch (error) {
    // The body's error is what the caller has to see.
    await sandbox.close().catch(() => {});
    throw error;
  }
  await sandbox.close();
  return result;
}

/** `db.openSandbox()`. */
export async function pinSandbox(instance: Instance, recording: Recording, asked: SandboxRequest): Promise<Sandbox> {
  const options = checkSandboxOptions('openSandbox', ignoreRunnerArgument(asked.options));
  const { ambient } = instance;
  const sandbox = await OpenSandbox.open(instance, recording, { options, stack: asked.stack });
  if (ambient.pinned) {
    await sandbox.close();
    throw new SandboxError('openSandbox: a sandbox of this instance is open already');
  }
  ambient.pinned = sandbox.enclosing;
  return {
    close(): Promise<LeakReport> {
      return sandbox.close().finally(() => {
        if (ambient.pinned === sandbox.enclosing) ambient.pinned = undefined;
      });
    },
  };
}
