// Asks for a reset, and looks at the server the moment that it resolves.
import type { ResetOptions, Resettable } from '../../../lib';
import type { Schedule } from '../schedule/schedule';
import type { Backend } from '../server/backend';
import type { ResetRecord } from './ledger';
import type { Stage } from './stage';

/** A process that is told to end takes a moment. */
const LATE_MILLIS = 2;

export async function performReset(
  stage: Stage,
  options: ResetOptions,
  db: Resettable = stage.db,
): Promise<ResetRecord> {
  const { ledger, schedule, server } = stage;
  const defaults = schedule.setting.options;
  const boundMillis =
    (options.graceMillis ?? defaults.graceMillis ?? 0) + (options.timeoutMillis ?? defaults.timeoutMillis ?? 5000);
  const isBusy = db.connectionState().connections.inUse > 0;
  const record: ResetRecord = { options, asked: ledger.now(), boundMillis, isBusy, told: { is: 'nothing' } };
  ledger.resets.push(record);
  const report = await ledger.watch(record, db.resetConnection(options));
  record.report = report;
  const left = () => [...server.backends.values()].filter((backend) => isLeft(backend, record, schedule));
  record.backendsLeft = left().map(({ pid, isAtRest, order, link }) => ({
    pid,
    isAtRest,
    order,
    isHurt: link.isHurt,
  }));
  await stage.clock.wait(LATE_MILLIS);
  record.backendsLate = left().map(({ pid }) => pid);
  return record;
}

/**
 * Nothing can end it: its client does not know it yet, or was lost before it was set up, so that nobody has ever used it; or it was a side
 * connection itself, and there is none that looks after those; or it was lost, and its server then let nobody in for too long.
 */
export function isBeyondReach(backend: Backend, { setting }: Schedule): boolean {
  const { isIntroduced, isInUse, isSide, link, server } = backend;
  if (!isIntroduced) return true;
  if (link.hurtAt === undefined) return false;
  // A third of the instance's time is for the goodbye, and what is left may be less than a pause between two tries.
  const shareMillis = (setting.options.timeoutMillis ?? 5000) / 3;
  return isSide || !isInUse || server.unreachableUntil - link.hurtAt >= shareMillis;
}

function isLeft(backend: Backend, { asked }: ResetRecord, schedule: Schedule): boolean {
  if (backend.order > asked.order || isBeyondReach(backend, schedule)) return false;
  // It goes as soon as those have gone that it looks after, and as its client has closed it.
  if (backend.isSide && (!backend.link.isOpen('client') || backend.server.everFrozen.size > 0)) return false;
  // The owner of a pool opens it for its own ends, also where nobody waits for it any more.
  if (schedule.setting.owner !== undefined && !backend.isInUse) return false;
  // Frozen meanwhile, or on a server that was not to be reached.
  if (backend.freezer.isFrozen || backend.freezer.lastUntil >= asked.at) return false;
  return backend.server.unreachableUntil < asked.at;
}
