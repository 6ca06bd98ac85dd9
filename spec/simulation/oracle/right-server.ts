// With `targetSessionAttrs` nothing is asked of a server of the wrong kind.
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function serverIsTheRightOne({ schedule, journal }: Evidence): Violation[] {
  const verdict = new Verdict('right server');
  if (schedule.setting.options.targetSessionAttrs === undefined) return [];
  const standbys = new Set<number>();
  for (const { is, pid, text, token } of journal.entries) {
    if (is === 'connected' && text.endsWith('standby')) standbys.add(pid);
    else if (is === 'connected') standbys.delete(pid);
    // Its sessions go on, and take writes.
    else if (is === 'fault' && text === 'the primary again') standbys.clear();
    if (is === 'executed' && token !== undefined)
      verdict.hold(!standbys.has(pid), () => `t${token} ran on backend ${pid}, which was opened to a standby`);
  }
  return verdict.violations;
}
