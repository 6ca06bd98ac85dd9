// The methods that users call, on an instance and its copies.
import type { Knex } from 'knex';
import { connectionState, type Observed } from './diagnostics/state';
import type { SandboxHost } from './sandbox/open-sandbox';
import { openSandboxIn, runInSandbox } from './sandbox/sandbox';
import { runOutermost } from './transaction/atomic';
import type { TransactionHost } from './transaction/transaction-host';
import { captureCallSite } from './words/call-site';
import type { Resettable, ResetOptions, ResetReport } from './words/types';
import { checkCallable } from './words/options';
import type { Awaitable } from './words/block-types';
import type { Ambient } from './pool/ambient';

/** What the methods need from the rest of their instance. */
type MethodsHost = TransactionHost & SandboxHost & Observed & { reset(options: ResetOptions): Promise<ResetReport> };

export function methodsOf(instance: MethodsHost): Resettable {
  return {
    // Where all arguments are optional no parameter is written: vitest reads the source of its hooks, and refuses a rest parameter.
    resetConnection: function resetConnection() {
      return instance.reset(optionsOf(arguments) as ResetOptions);
    },
    // A copy has the same function, and its transactions the copy's parameters.
    atomic: function atomic(this: Partial<Knex> | undefined, block, options) {
      return runOutermost(instance, { block, options, stack: captureCallSite(atomic), userParams: this?.userParams });
    },
    sandbox: function sandbox(body, options) {
      return runInSandbox(instance, body, { options, stack: captureCallSite(sandbox) });
    },
    openSandbox: function openSandbox() {
      return openSandboxIn(instance, { options: optionsOf(arguments), stack: captureCallSite(openSandbox) });
    },
    outside: (work) => runOutside(instance.ambient, work),
    connectionState: () => connectionState(instance),
  };
}

/** `db.outside()`: the work does not belong to the block or sandbox around it. */
async function runOutside<T>(ambient: Ambient, work: () => Awaitable<T>): Promise<T> {
  checkCallable('outside', work, 'a function as the work');
  // A builder that is returned runs when it is first waited for, which has to be outside too.
  return ambient.runOutside(async () => await work());
}

/** vitest passes its context, which has no prototype and the names of fixtures, and the suite. */
function optionsOf({ length, 0: first }: IArguments): unknown {
  const isOfRunner = length > 1 && typeof first === 'object' && first !== null && Object.getPrototypeOf(first) === null;
  return isOfRunner ? undefined : first;
}
