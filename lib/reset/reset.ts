// The order of a reset. Each step says what it may wait for; all of them together stay within grace + timeout.
import { inBackground, step } from '../words/foreign';
import type { Register } from '../pool/register';
import type { ResettablePool } from '../pool/resettable-pool';
import type { Resets } from '../pool/resets';
import type { Settings } from '../words/options';
import type { ResetReport } from '../words/types';
import { type Deadline, nextTurn, within } from '../words/waiting';
import { cancelTogether } from '../connection/quiesce';
import { type Connection, endConnection, type Fate, freeForeign, type OpenEntry } from './end-connection';
import type { ResetRequest } from './options';
import type { Cleaning } from './recycle';
import { type TeardownTime, waitOutGrace } from './teardown-time';

/** What a reset needs from the rest of its instance. */
export interface ResetHost {
  readonly client: object;
  readonly settings: Settings;
  readonly pool: ResettablePool;
  readonly open: ReadonlySet<OpenEntry>;
  readonly resets: Resets;
}

export interface Teardown {
  readonly request: ResetRequest;
  readonly time: TeardownTime;
  /** Set once connections are being cleaned. */
  cleaning: Cleaning | undefined;
  /** Of `destroy()`, whose end is for good. */
  readonly isLast: boolean;
  readonly report: ResetReport;
  /** How many blocks were rejected while their next attempt waits, and goes on waiting, for a connection. */
  doomed: number;
}

/** Ends what is in use: see `Resettable.resetConnection`. 1. What waits has been turned away by then, and the gate is closed; opening it is the caller's. */
export async function tearDown(instance: ResetHost, teardown: Teardown): Promise<void> {
  const { request, time, isLast, report } = teardown;
  const { register } = instance.pool;
  const open = [...register.connections];
  // A connection that had died before does not count as closed by this reset, but the reset waits until the server has ended it.
  const dead = open.filter(({ closing, health }) => closing !== undefined && health.state.is === 'dead');
  // 2. What runs may end by itself.
  if (request.connections === 'recycle') for (const connection of open) connection.seize();
  // Awaited in any case: if this reset follows a lost connection, its user gets that error first.
  await (time.hasGrace ? waitOutGrace(instance, time) : undefined);
  const deadline = time.end();
  const kept = isLast ? [] : open.filter((connection) => register.keeps(connection));
  const entries = [...instance.open];
  if (request.connections === 'recycle') teardown.cleaning = { deadline: deadline.part(1 / 2), request };
  const fates = await endOpen(instance, teardown, { open, kept, entries, deadline });
  await endRest(instance.pool, kept, deadline);
  const areToClose = request.connections === 'close' && fates.includes('recycled');
  const last = areToClose ? await closeRecycled(register, open, fates, deadline) : fates;
  for (const fate of last.filter((_, i) => !dead.includes(open[i] as Connection))) count(fate, report);
  // 6. Callbacks that wait for something that never comes: their transaction is over in the next turn.
  if (entries.length > 0) inBackground(nextTurn().then(() => settleAll(entries)));
}

/** A call joins. If one of them closes connections, none is kept: what has been cleaned, and what is being cleaned, is closed at once. */
export function join({ register }: ResettablePool, teardown: Teardown, { connections, reason }: ResetRequest): void {
  const { request, report, cleaning } = teardown;
  report.reason ??= reason;
  if (connections === 'recycle') return;
  request.connections = connections;
  if (!cleaning) return;
  cleaning.deadline.hurry(0);
  const cleaned = [...register.connections].filter((each) => register.isCurrent(each) && !register.keeps(each));
  for (const each of cleaned) inBackground(register.discard(each));
}

/** What has not ended by itself. */
interface Left {
  readonly open: Connection[];
  readonly kept: Connection[];
  readonly entries: OpenEntry[];
  readonly deadline: Deadline;
}

/** Resolves with what became of each connection. */
function endOpen(instance: ResetHost, teardown: Teardown, { open, kept, entries, deadline }: Left): Promise<Fate[]> {
  const { request, cleaning, isLast, report } = teardown;
  const { openings, real } = instance.pool;
  // 3. Nothing is lent or opened by the old pool any more.
  if (isLast) real.retireForGood();
  else if (request.connections === 'close' && kept.length === 0) real.retire();
  // 4. Everything else that is open rejects at once. 5. The server lets go.
  const foreign = entries.filter(({ connection }) => !open.includes(connection));
  const cancelled = cancelTogether(busyAmong(open, entries, kept), deadline);
  const freed = foreign.map((entry) => freeForeign(instance, entry, deadline, report));
  const opened = openings.isOpening && within(deadline.part(1 / 2), openings.whenNothingOpens());
  const nextInTurn = inTurns();
  const fates = Promise.all(
    open.map((connection) => {
      const isKept = kept.includes(connection);
      const entry = entries.find((each) => each.connection === connection);
      return endConnection(instance, { connection, entry, isKept, cleaning, deadline, turn: nextInTurn() }, report);
    }),
  );
  if (freed.length === 0 && !cancelled && !opened) return fates;
  return Promise.all([fates, cancelled, opened, ...freed]).then(([ended]) => ended);
}

/** What was opened meanwhile for the ended generation, and the side connections. */
async function endRest(pool: ResettablePool, kept: Connection[], deadline: Deadline): Promise<void> {
  const { register } = pool;
  const abandoned = pool.abandonOpenings(deadline);
  if (abandoned) await abandoned;
  const strays = register.outdated().filter((connection) => !kept.includes(connection));
  if (strays.length > 0) await Promise.all(strays.map((connection) => register.discard(connection, deadline)));
  if (!register.terminator.isIdle) await within(deadline, register.terminator.whenIdle());
}

/** One that has gone back to a pool of the user's is its owner's. */
function closeRecycled(register: Register, open: Connection[], fates: Fate[], deadline: Deadline): Promise<Fate[]> {
  const closed = open.map(async (each, i) => {
    const isOurs = register.connections.has(each) || each.closing !== undefined;
    return fates[i] === 'recycled' && isOurs ? register.discard(each, deadline) : (fates[i] as Fate);
  });
  return Promise.all(closed);
}

/** What runs on these is to be stopped. A COMMIT is not: it may still hear its answer. */
function busyAmong(open: Connection[], entries: OpenEntry[], kept: Connection[]): Connection[] {
  const spared = entries.filter(({ isCommitting }) => isCommitting).map(({ connection }) => connection);
  return open.filter(
    (connection) => connection.running > 0 && !spared.includes(connection) && !kept.includes(connection),
  );
}

/** How many connections are closed in one turn of the event loop. */
const IN_A_TURN = 4;

/**
 * A goodbye wakes a process of the server, which may take the core over. Where there are many, the side connection that cancels what runs
 * on the others would be heard only after the last of them. So what the server answers is heard in between.
 */
function inTurns(): () => Promise<void> | undefined {
  let turn: Promise<void> | undefined;
  let count = 0;
  return () => {
    if (count > 0 && count % IN_A_TURN === 0) turn = turn ? turn.then(nextTurn) : nextTurn();
    count++;
    return turn;
  };
}

function settleAll(entries: OpenEntry[]): void {
  for (const entry of entries) step(() => entry.settle());
}

function count(fate: Fate, report: ResetReport): void {
  if (fate === 'recycled' || fate === 'kept') report.recycledConnections++;
  else report.closedConnections++;
  if (fate === 'forced') report.forcedConnections++;
}
