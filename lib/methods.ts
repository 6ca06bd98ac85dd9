// The methods that users call, on an instance and its copies.
import type { Knex } from 'knex';
import type { Recording } from './diagnostics/recording';
import { connectionState } from './diagnostics/state';
import type { Instance } from './pool/instance';
import { openSandboxIn, runInSandbox } from './sandbox/sandbox';
import { runOutermost } from './transaction/atomic';
import { runOutside } from './transaction/outside';
import { captureCallSite } from './words/call-site';
import type { Resettable, ResetOptions } from './words/types';

export function methodsOf(instance: Instance, recording: Recording): Resettable {
  return {
    resetConnection: (...args: unknown[]) => instance.reset(args[0] as ResetOptions),
    // A copy has the same function, and its transactions the copy's parameters.
    atomic: function atomic(this: Partial<Knex> | undefined, block, options) {
      return runOutermost(instance, { block, options, stack: captureCallSite(atomic), userParams: this?.userParams });
    },
    sandbox: function sandbox(body, options) {
      return runInSandbox(instance, recording, body, { options, stack: captureCallSite(sandbox) });
    },
    openSandbox: function openSandbox(...args: unknown[]) {
      return openSandboxIn(instance, recording, { options: args[0], stack: captureCallSite(openSandbox) });
    },
    outside: (work) => runOutside(instance, work),
    connectionState: () => connectionState(instance),
  };
}
