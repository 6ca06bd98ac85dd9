// The order of a reset. Each step says what it may wait for; all of them together stay within grace + timeout.
import { ResetError } from '../words/errors';
import { inBackground, step, valueOr } from '../words/foreign';
import { checkOptions, ignoreRunnerArgument, millis, oneOf, text } from '../words/options';
import { describeUnregistered, type Instance, type OpenEntry } from '../pool/instance';
import type { Connection } from '../connection/connection';
import { transactionIdOf } from '../knex/insides';
import type { OpenTransaction, ResetOptions, ResetReport } from '../words/types';
import { Deadline, nextTurn, within } from '../words/waiting';
import { recycle } from './recycle';
import { rollBackInPlace } from './roll-back-in-place';

/** The share of the teardown's time that a transaction in COMMIT has to hear the answer. */
const COMMIT_SHARE = 0.25;

const RESET_CHECKS = {
  reason: text,
  graceMillis: millis,
  timeoutMillis: millis,
  connections: oneOf('close', 'recycle'),
  waiting: oneOf('reject', 'requeue'),
};

export function checkResetOptions(given: unknown): ResetOptions {
  return checkOptions<ResetOptions>('resetConnection', ignoreRunnerArgument(given), RESET_CHECKS);
}

/** Ends the current generation: see `Resettable.resetConnection`. Rejects never. The gate stays closed: opening it is the caller's. */
export async function endGeneration(
  instance: Instance,
  options: ResetOptions,
  /** Given by `destroy()`, whose end is for good: resolves when it shall be over sooner, with how soon. */
  isLast?: Promise<Deadline>,
): Promise<ResetReport> {
  const startedAt = performance.now();
  const { pool, settings } = instance;
  const { reason, connections = 'close', waiting = 'reject' } = options;
  const report: ResetReport = {
    reason,
    generation: instance.resets,
    durationMillis: 0,
    abortedTransactions: [],
    abortedQueries: 0,
    rejectedWaiters: 0,
    requeuedWaiters: 0,
    closedConnections: 0,
    recycledConnections: 0,
    forcedConnections: 0,
  };
  pool.generation++;
  // Also where every connection had died already: the next one may have to go elsewhere.
  pool.openings.invalidateSettings();
  if (!isLast) instance.latestReset = { reason, waiting };
  // Blocks between two attempts wait for a connection as well. They were asked before the reset, so they are not tried again.
  report.rejectedWaiters = instance.pausedRetries.size;
  for (const pause of instance.pausedRetries) pause.reject(new ResetError({ reason, generation: report.generation }));
  if (pool.connections.size > 0 || pool.openings.isOpening || pool.waiting > 0 || instance.open.size > 0) {
    // 1. A later acquire waits at the gate. A pending one rejects, or asks again behind the gate.
    pool.closeGate();
    const open = [...pool.connections];
    const { generation } = report;
    // Each victim has an error of its own: what one request writes on it must not show in another's.
    const error = () => new ResetError({ reason, generation });
    const turnedAway = pool.waiting > 0 ? pool.turnAway(error, waiting) : 0;
    report[waiting === 'reject' ? 'rejectedWaiters' : 'requeuedWaiters'] += turnedAway;

    // 2. What runs may end by itself.
    const graceMillis = options.graceMillis ?? settings.graceMillis;
    // Awaited in any case: if this reset follows a lost connection, its user gets that error first.
    const hurry = await (graceMillis > 0 ? settled(instance, graceMillis, isLast) : undefined);
    const deadline = hurry ?? new Deadline(options.timeoutMillis ?? settings.timeoutMillis);

    // 3. Nothing is lent or opened by the old pool any more.
    const kept = isLast ? [] : open.filter((connection) => pool.keeps(connection));
    if (isLast) pool.retireForGood();
    else if (connections === 'close' && kept.length === 0) pool.retire();

    // 4. Everything else that is open rejects at once; only a COMMIT may still hear its answer.
    const entries = [...instance.open];
    const ending = open.map(async (connection) => {
      const entry = entries.find((candidate) => candidate.connection === connection);
      if (entry?.isCommitting) await within(deadline.leftMillis * COMMIT_SHARE, entry.whenDecided);
      connection.seized = true;
      if (connection.lent) step(() => abort(connection, entry, error(), report));
      const how = kept.includes(connection) ? 'keep' : connections;
      return endConnection(instance, connection, how, deadline.leftMillis);
    });
    // 5. The server lets go.
    const ended = Promise.all(ending).then(async (results) => {
      for (const result of results) {
        if (result === 'recycled') report.recycledConnections++;
        else report.closedConnections++;
        if (result === 'forced') report.forcedConnections++;
      }
      if (pool.openings.isOpening) await stopOpening(instance, deadline.leftMillis);
      await pool.abandonOpenings(deadline.leftMillis);
    });
    await (isLast ? Promise.race([ended, cutOff(instance, isLast, ended)]) : ended);

    // 6. Callbacks that wait for something that never comes: their transaction is over in the next turn.
    if (entries.length > 0) {
      const settle = () => {
        for (const entry of entries) step(() => entry.settle());
      };
      inBackground(nextTurn().then(settle));
    }
  }
  report.durationMillis = performance.now() - startedAt;
  return report;
}

/** Waits out the grace period. Ends early when nothing runs, or when destroy() overtakes the reset; then returns destroy()'s deadline. */
async function settled(
  instance: Instance,
  graceMillis: number,
  isLast?: Promise<Deadline>,
): Promise<Deadline | undefined> {
  const deadline = new Deadline(graceMillis);
  let hurry: Deadline | undefined;
  const hurried = isLast?.then((given) => {
    hurry = given;
  });
  while (hurry === undefined && deadline.leftMillis > 0) {
    // A sandbox never ends by itself: what runs in it may.
    const busy = [...instance.pool.connections].filter(
      ({ lent, mutex, isQuiet }) => lent && !(mutex.isShared && isQuiet),
    );
    if (busy.length === 0) break;
    const rests = busy.map((connection) =>
      connection.mutex.isShared ? connection.whenQuiet() : connection.whenReturned(),
    );
    await within(deadline.leftMillis, Promise.race(hurried ? [hurried, ...rests] : rests));
  }
  return hurry;
}

/** Cuts what has not ended by the deadline of a destroy() that overtook the reset. */
async function cutOff({ pool, driver }: Instance, hurry: Promise<Deadline>, ended: Promise<void>): Promise<void> {
  const { leftMillis } = await hurry;
  const isOver = await within(
    leftMillis,
    ended.then(() => true),
  );
  if (isOver) return;
  for (const { raw } of pool.connections) driver.destroySocket(raw);
  await pool.openings.cut(0);
}

/** Rejects everything that uses the connection or waits for its answer. */
function abort(connection: Connection, entry: OpenEntry | undefined, error: ResetError, report: ResetReport): void {
  const { reason, generation } = error;
  const transaction = entry && !entry.isOver ? entry.describe() : unregistered(connection);
  if (transaction) report.abortedTransactions.push(transaction);
  else if (connection.running > 0) report.abortedQueries++;
  const told =
    valueOr(undefined, () => entry?.abort(error)) ??
    (transaction && new ResetError({ reason, generation, transaction }));
  connection.refuse(told ?? error);
}

/** A transaction that is on the connection without anybody having registered it. */
function unregistered(connection: Connection): OpenTransaction | undefined {
  if (connection.user) return undefined;
  const { driver, raw } = connection;
  const status = driver.status(raw);
  // Knex before 3.2 leaves its mark on a connection that it gives back: it counts only where the driver cannot tell.
  const id = transactionIdOf(raw);
  if (status === 'idle' || (status === 'unknown' && id === undefined)) return undefined;
  const state = connection.running > 0 ? 'running' : status === 'failed' ? 'failed' : 'idle';
  return describeUnregistered(connection, id ?? 'unknown', state);
}

async function endConnection(
  instance: Instance,
  connection: Connection,
  how: 'close' | 'recycle' | 'keep',
  timeoutMillis: number,
): Promise<'ended' | 'forced' | 'recycled'> {
  if (how === 'close') return instance.pool.discard(connection, timeoutMillis);
  if (how === 'keep') {
    await rollBackInPlace(instance, connection, timeoutMillis);
    return 'recycled';
  }
  const deadline = new Deadline(timeoutMillis);
  if (await recycle(instance, connection, timeoutMillis / 2)) return 'recycled';
  return instance.pool.discard(connection, deadline.leftMillis);
}

/** Connections that are being opened are closed when they are open; those that take too long are cut after it. */
async function stopOpening({ pool }: Instance, timeoutMillis: number): Promise<void> {
  await within(timeoutMillis / 2, pool.openings.whenNothingOpens());
}
