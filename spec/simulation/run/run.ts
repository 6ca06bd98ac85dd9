// Runs one schedule from its first step to the end of the instance, and returns the evidence.
import type { Schedule } from '../schedule/schedule';
import type { Backend } from '../server/backend';
import type { Journal } from '../server/journal';
import { act } from './act';
import { ask } from './ask';
import type { Ledger, Moment, Told } from './ledger';
import { isBeyondReach, performReset } from './reset';
import { Stage } from './stage';

/** After the last step what is under way goes on for so long, before the final reset. */
const LAST_STEPS_MILLIS = 400;
/** Whatever is asked has ended so long after the final reset. */
const END_MILLIS = 60_000;

export interface Rest {
  backends: number[];
  locks: string[];
  openTransactions: number;
  timers: number;
  sockets: number;
}

/** All that the oracle judges by. */
export interface Evidence {
  schedule: Schedule;
  ledger: Ledger;
  journal: Journal;
  /** What is stored: statement by statement. */
  stored: { token: number; value: number; transaction: number }[];
  /** When the final reset was over. */
  finalReset: Moment | undefined;
  /** A query on the instance after it. */
  lastQuery: { told: Told };
  destroyed: { told: Told };
  rest: Rest;
  /** Backends that were frozen at some time: they act late, whatever they are told. */
  frozen: Set<number>;
}

export async function run(schedule: Schedule): Promise<Evidence> {
  const stage = new Stage(schedule);
  try {
    return await play(stage);
  } finally {
    stage.stop();
  }
}

async function play(stage: Stage): Promise<Evidence> {
  const { clock, ledger, server, db, schedule } = stage;
  let lateEnd = 0;
  let isOver = false;
  const lastQuery: { told: Told } = { told: { is: 'nothing' } };
  const destroyed: { told: Told } = { told: { is: 'nothing' } };
  let finalReset: Moment | undefined;
  const ends = async () => {
    server.ambushes.clear();
    stage.isQuiet = true;
    server.reachability = 'open';
    server.beStandby(false);
    server.unreachableUntil = Math.min(server.unreachableUntil, clock.now);
    await resetsOver(stage);
    await performReset(stage, { reason: 'the end', timeoutMillis: 4000 });
    finalReset = ledger.now();
    stage.release();
    await clock.wait(200);
    await verified(stage);
    const unit = ledger.unit('statement');
    const query = ask(stage, db, { ask: 'insert', number: 0, hasBindings: false }, ledger.attempt(unit));
    await ledger.watch(lastQuery, ledger.watch(unit, query)).catch(() => {});
    await ledger.watch(destroyed, db.destroy()).catch(() => {});
    await stage.endPool();
    // The driver's pool ends before the last of its connections has heard the server's goodbye.
    await clock.wait(schedule.setting.owner === undefined ? 50 : 400);
    isOver = true;
  };
  for (const { afterMillis, action } of schedule.steps) {
    lateEnd += afterMillis;
    clock.input(lateEnd, () => {
      sample(stage);
      act(stage, action).catch(() => {});
    });
  }
  clock.input(lateEnd + LAST_STEPS_MILLIS, () => {
    sample(stage);
    ends().catch((error: unknown) => ledger.problems.push(`the end failed: ${String(error)}`));
  });
  await clock.run(() => isOver, lateEnd + LAST_STEPS_MILLIS + END_MILLIS);
  return {
    schedule,
    ledger,
    journal: server.journal,
    stored: server.database.stored,
    finalReset,
    lastQuery,
    destroyed,
    rest: restOf(stage),
    frozen: server.everFrozen,
  };
}

/** The final reset is one of its own: one that joined another would spare what was asked meanwhile. */
async function resetsOver({ clock, ledger, db }: Stage): Promise<void> {
  const until = clock.now + 10_000;
  // One that `onFatal` began is in no record.
  const isUnderWay = () => ledger.resets.some(({ told }) => told.is === 'nothing') || db.connectionState().resetting;
  while (clock.now < until && isUnderWay()) await clock.wait(5);
}

/** A lost COMMIT is asked about for as long as the instance gives. */
async function verified({ clock, ledger, schedule }: Stage): Promise<void> {
  const until = clock.now + (schedule.setting.options.timeoutMillis ?? 5000);
  while (clock.now < until && ledger.units.some(({ verifies, told }) => verifies && told.is === 'nothing')) {
    await clock.wait(50);
  }
}

function sample({ ledger, db, network }: Stage): void {
  const pendingResets = [...ledger.resets, ...ledger.destroys].filter(({ told }) => told.is === 'nothing').length;
  const state = db.connectionState();
  ledger.samples.push({ ...ledger.now(), state, openSockets: network.openSockets, pendingResets });
}

function restOf({ server, clock, network, schedule }: Stage): Rest {
  const all = [...server.backends.values()];
  const isStuck = (backend: Backend) => backend.freezer.isFrozen || isBeyondReach(backend, schedule);
  return {
    backends: all.filter((backend) => !isStuck(backend)).map(({ pid }) => pid),
    locks: all.some(isStuck) ? [] : server.database.locks.held,
    openTransactions: all.some(isStuck) ? 0 : server.database.openTransactions,
    timers: clock.pending.length,
    sockets: network.openSockets,
  };
}
