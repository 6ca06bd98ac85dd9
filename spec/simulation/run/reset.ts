// Asks for a reset, and looks at the server the moment that it resolves.
import type { ResetOptions } from '../../../lib';
import type { Backend } from '../server/backend';
import type { ResetRecord } from './ledger';
import type { Stage } from './stage';

/** A process that is told to end takes a moment. */
const LATE_MILLIS = 2;

export async function performReset(stage: Stage, options: ResetOptions): Promise<ResetRecord> {
  const { ledger, schedule, db, server } = stage;
  const defaults = schedule.setting.options;
  const boundMillis =
    (options.graceMillis ?? defaults.graceMillis ?? 0) + (options.timeoutMillis ?? defaults.timeoutMillis ?? 5000);
  const record: ResetRecord = { options, asked: ledger.now(), boundMillis, told: { is: 'nothing' } };
  ledger.resets.push(record);
  const report = await ledger.watch(record, db.resetConnection(options));
  record.report = report;
  const left = () => [...server.backends.values()].filter((backend) => isLeft(backend, record));
  record.backendsLeft = left().map(({ pid, isAtRest }) => ({ pid, isAtRest }));
  await stage.clock.wait(LATE_MILLIS);
  record.backendsLate = left().map(({ pid }) => pid);
  return record;
}

function isLeft(backend: Backend, { asked }: ResetRecord): boolean {
  if (backend.order > asked.order) return false;
  // Frozen meanwhile, not known to the client yet, or on a server that was not to be reached: nothing can end it.
  if (backend.freezer.isFrozen || backend.freezer.lastUntil >= asked.at || !backend.isIntroduced) return false;
  return backend.server.unreachableUntil < asked.at;
}
