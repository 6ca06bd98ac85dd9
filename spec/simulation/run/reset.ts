// Asks for a reset, and looks at the server the moment that it resolves.
import type { ResetOptions } from '../../../lib';
import type { Backend } from '../server/backend';
import type { ResetRecord } from './ledger';
import type { Stage } from './stage';

export async function performReset(stage: Stage, options: ResetOptions): Promise<ResetRecord> {
  const { ledger, schedule, db, server } = stage;
  const defaults = schedule.setting.options;
  const boundMillis =
    (options.graceMillis ?? defaults.graceMillis ?? 0) + (options.timeoutMillis ?? defaults.timeoutMillis ?? 5000);
  const record: ResetRecord = { options, asked: ledger.now(), boundMillis, told: { is: 'nothing' } };
  ledger.resets.push(record);
  const report = await ledger.watch(record, db.resetConnection(options));
  record.report = report;
  const earlier = [...server.backends.values()].filter((backend) => backend.order < record.asked.order);
  record.backendsLeft = earlier
    .filter((backend) => !isOutOfReach(backend, record))
    .map(({ pid, isAtRest }) => ({ pid, isAtRest }));
  return record;
}

/** Frozen meanwhile, or not known to the client yet: nothing can end it. */
function isOutOfReach(backend: Backend, { asked }: ResetRecord): boolean {
  return backend.isFrozen || backend.wasFrozenUntil >= asked.at || !backend.isIntroduced;
}
