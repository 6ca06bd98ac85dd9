// How a transaction of a resettable instance comes to be: knex makes it, a scope takes control of it before its first step.
import type { Knex } from 'knex';
import type { Container, KnexClient, KnexTransaction, TransactionConfig } from '../knex/insides';
import { control, controllerOf, type MakeArgs, makeControlled } from '../knex/transaction-class';
import type { Instance } from '../pool/instance';
import { captureStack } from '../pool/stack';
import { prepareBlock } from './block';
import { Scope } from './scope';
import type { BlockSpec, HeldSpec } from './scope-details';
import { scopeOfClient } from './steps';

/** Rides in a transaction's config from `atomic()` to here. */
export const BLOCK = Symbol('knex-reset.block');

/** Rides in the config of a transaction that is held open for a sandbox. */
export const HELD = Symbol('knex-reset.held');

/** Marks a transaction that is a savepoint only because it runs in a sandbox. */
const STANDS_ALONE = Symbol('knex-reset.stands-alone');

export interface Asked {
  container: Container;
  config: TransactionConfig | undefined;
  outer: KnexTransaction | null | undefined;
}

type Make = (...args: MakeArgs) => KnexTransaction;

/** The scope behind a `trx` handle. */
export function scopeOf(trx: Knex.Transaction): Scope | undefined {
  return scopeOfClient((trx as unknown as { client: KnexClient }).client);
}

export function beginTransaction(instance: Instance, client: KnexClient, asked: Asked, make: Make): KnexTransaction {
  const { config, container } = asked;
  const home = client.transacting || config?.connection ? undefined : (instance.ambient.current() as Scope | undefined);
  if (home) return beginInside(instance, home, asked);
  const parent =
    (controllerOf(asked.outer) as Scope | undefined) ?? (client.transacting ? scopeOfClient(client) : undefined);
  const block = config?.[BLOCK] as BlockSpec | undefined;
  const standsAlone = config?.[STANDS_ALONE] === true;
  const held = config?.[HELD] as HeldSpec | undefined;
  if (block && parent && !standsAlone) prepareBlock(parent, block.options);
  const stack = (block ?? held)?.stack ?? captureStack((Object.getPrototypeOf(client) as KnexClient).transaction);

  const trx = makeControlled(client, make, [(handle) => start(scope, handle, container), config, asked.outer ?? null]);
  const scope: Scope = new Scope(instance, trx, { parent, block, stack, standsAlone, held });
  control(trx, scope);
  return trx;
}

/** A transaction of the instance that has to run in another one: by its context, or because a sandbox is open. */
function beginInside(instance: Instance, home: Scope, { container, config }: Asked): KnexTransaction {
  const isInSandbox = home.root.sandbox !== undefined;
  const outer = isInSandbox ? innermostHandle(home) : home;
  const standsAlone = isInSandbox && (home.sandbox !== undefined || !instance.settings.ambient);
  const { trxClient } = outer.trx;
  return (trxClient as KnexClient).transaction(container, { ...config, [STANDS_ALONE]: standsAlone }, outer.trx);
}

/** A transaction by handle may stay open while others come and go: they are begun inside, as none of them could wait for its end. */
function innermostHandle(scope: Scope): Scope {
  for (const child of scope.children) {
    if (child.phase === 'open' && !child.isCallbackRunning) return innermostHandle(child);
  }
  return scope;
}

/** What knex takes for the callback: tells the scope when the real one runs and when it is done. */
function start(scope: Scope, handle: Knex.Transaction, container: Container): unknown {
  scope.handle = handle;
  const { instance, block } = scope;
  if (instance.settings.hooks) scope.timeline.addAll(scope, instance.settings.hooks);
  if (block?.options.hooks) scope.timeline.addAll(scope, block.options.hooks);
  if (!scope.hasHooks) return run(scope, handle, container);
  if (block) scope.isCallbackRunning = true;
  const hooks = scope.inContext(() => scope.timeline.run('afterBegin', {}, scope));
  return afterHooks(scope, hooks, () => run(scope, handle, container));
}

function run(scope: Scope, handle: Knex.Transaction, container: Container): unknown {
  const result = scope.inContext(() => started(container(handle)));
  if (isThenable(result)) return scope.root.sandbox ? watched(scope, result) : result;
  scope.isByCallback = !isResolver(container);
  // It stays open for as long as its holder likes.
  scope.leaveParent();
  return result;
}

/** A builder that was returned runs when it is first waited for, which has to be inside the transaction's context. */
function started(result: unknown): unknown {
  if (!isThenable(result) || result instanceof Promise) return result;
  return new Promise((resolve, reject) => void result.then(resolve, reject));
}

/** In a sandbox it matters whether a callback still runs: only a transaction by handle can have others begun inside it. */
async function watched(scope: Scope, result: PromiseLike<unknown>): Promise<unknown> {
  scope.isCallbackRunning = true;
  try {
    return await result;
  } finally {
    scope.isCallbackRunning = false;
  }
}

/** Knex ends the transaction with a callback's promise, and leaves it open where there is none: hooks must not change that. */
async function afterHooks(scope: Scope, hooks: Promise<void>, work: () => unknown): Promise<unknown> {
  try {
    await hooks;
  } finally {
    scope.isCallbackRunning = false;
  }
  // A limit, a reset or the death of the connection came meanwhile: the callback is not called any more.
  if (scope.isAborted || scope.outcome?.kind === 'rolledBack' || scope.phase === 'ending')
    throw scope.refusal ?? scope.reason;
  const result = work();
  return isThenable(result) ? result : new Promise(() => {});
}

/** Knex makes a handle with a promise's own resolve function as the callback. */
function isResolver(container: Container): boolean {
  return container.name === '' && Function.prototype.toString.call(container).includes('[native code]');
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
