// Transactions that always roll back, for tests: for a callback's async context, for the whole instance, or for what `run()` runs.
import { SandboxError, suppress } from '../words/errors';
import { read } from '../words/foreign';
import { checkCallable, checkOptions, flag, ignoreRunnerArgument, refuse } from '../words/options';
import type { EnclosingTransaction } from '../pool/ambient';
import type { CallSite } from '../words/call-site';
import type { Awaitable } from '../words/block-types';
import type { LeakReport, Sandbox, SandboxOptions } from '../words/types';
import { nextTurn } from '../words/waiting';
import { OpenSandbox, type SandboxHost } from './open-sandbox';

/** What is asked for, and where. */
interface SandboxRequest {
  options: unknown;
  stack: CallSite;
}

function checkSandboxOptions(where: string, given: unknown): SandboxOptions {
  return checkOptions<SandboxOptions>(where, given, { checkConstraints: flag, pinned: flag });
}

/** `db.sandbox()`. */
export async function runInSandbox<T>(
  instance: SandboxHost,
  body: () => Awaitable<T>,
  asked: SandboxRequest,
): Promise<T> {
  checkCallable('sandbox', body, 'a function as the body');
  const options = checkSandboxOptions('sandbox', asked.options);
  if (options.pinned) refuse('sandbox: pinned', true, 'nothing or false: openSandbox() pins');
  const sandbox = await OpenSandbox.open(instance, { options, stack: asked.stack });
  let result: T;
  try {
    result = await sandbox.run(async () => await body());
  } catch (error) {
    // The body's error is what the caller has to see. But what has become of the sandbox may say that something is stored.
    await sandbox.close().catch((later: unknown) => {
      if (read(later, 'cause') !== error) suppress(error, later);
    });
    throw error;
  }
  await sandbox.close();
  return result;
}

/** `db.openSandbox()`. */
export async function openSandboxIn(instance: SandboxHost, asked: SandboxRequest): Promise<Sandbox> {
  const options = checkSandboxOptions('openSandbox', ignoreRunnerArgument(asked.options));
  const sandbox = await OpenSandbox.open(instance, { options, stack: asked.stack });
  if (options.pinned === false) return handleOf(sandbox, () => sandbox.close());
  if (instance.ambient.pinned) {
    await sandbox.close();
    throw new SandboxError('openSandbox: a sandbox of this instance is open already');
  }
  return pin(instance, sandbox);
}

/** Makes a sandbox the place of everything that has none by its context, until it is closed. */
function pin({ ambient }: SandboxHost, sandbox: OpenSandbox): Sandbox {
  const { enclosing } = sandbox;
  const earlier = ambient.pinned;
  ambient.pinned = enclosing;
  let closing: Promise<LeakReport> | undefined;
  const close = async () => {
    try {
      return await sandbox.close();
    } finally {
      // A query that was asked before asks for its connection some steps later: it must not find the pool.
      await nextTurn();
      if (isInside(ambient.pinned, enclosing)) ambient.pinned = earlier;
    }
  };
  return handleOf(sandbox, () => {
    closing ??= close();
    return closing;
  });
}

/** One that was opened inside and not closed is over as well. */
function isInside(inner: EnclosingTransaction | undefined, outer: EnclosingTransaction): boolean {
  let each = inner;
  while (each && each !== outer) each = each.parent;
  return each === outer;
}

const sandboxes = new WeakMap<Sandbox, OpenSandbox>();

/** Pins a sandbox inside a pinned one, which is pinned again when the inner one is closed: for a test inside a test. */
export async function nestSandbox(instance: SandboxHost, outer: Sandbox, stack: CallSite): Promise<Sandbox> {
  const around = sandboxes.get(outer);
  if (!around) throw new SandboxError('only a sandbox of this package can have another one inside');
  return pin(instance, await around.nest(stack));
}

function handleOf(sandbox: OpenSandbox, close: () => Promise<LeakReport>): Sandbox {
  const handle: Sandbox = {
    run<T>(work: () => T): T {
      checkCallable('sandbox.run', work, 'a function');
      return sandbox.run(work);
    },
    close,
  };
  sandboxes.set(handle, sandbox);
  return handle;
}
