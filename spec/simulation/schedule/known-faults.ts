// Faults of the package that the simulator has found, and that are not mended yet. Schedules keep away from them, so that it goes on
// looking for others. The list may only shrink; `--all` leaves nothing out.
import type { Violation } from '../oracle/violation';
import type { Evidence } from '../run/run';
import type { Part, Schedule } from './schedule';

export interface KnownFault {
  what: string;
  /** Changes the schedule so that it does not come upon the fault. */
  avoid?(schedule: Schedule): void;
  /** Whether this is what the fault looks like. */
  excuses?(violation: Violation, evidence: Evidence): boolean;
}

/** Replaces each part of each body, those inside others first. Undefined: it goes. */
function replaceParts(schedule: Schedule, replace: (part: Part) => Part | undefined): void {
  const through = (parts: Part[]): Part[] =>
    parts.flatMap((part) => {
      const inner =
        part.part === 'nest'
          ? { ...part, body: through(part.body) }
          : part.part === 'together'
            ? { ...part, parts: through(part.parts) }
            : part;
      return replace(inner) ?? [];
    });
  for (const { action } of schedule.steps) if ('body' in action) action.body = through(action.body);
}

/** A savepoint in the place of a block that joins. */
function separate(part: Part): Part {
  return part.part === 'nest' && part.form === 'joined' ? { ...part, form: 'block' } : part;
}

export const knownFaults: KnownFault[] = [
  {
    what: 'a connection that the network loses while it is opened, washed or used by the package itself leaves its backend',
    excuses: ({ rule, text }, { schedule }) =>
      (text.endsWith('there to stay') || rule === 'nothing left') &&
      /"swallow|"forget|"reset|"unreachable|"crash/.test(JSON.stringify(schedule.steps)),
  },
  {
    what: 'a COMMIT that is never answered outlasts the limit of its block',
    excuses: ({ rule }) => rule === 'limits',
  },
  {
    what: 'a reset resolves a moment before the backend that was told to end is gone',
    excuses: ({ rule, text }) => rule === 'let go' && text.endsWith('gone a moment later'),
  },
  {
    what: 'rollback() inside a block is refused, and the block commits',
    avoid: (schedule) => replaceParts(schedule, (part) => (part.part === 'control' ? undefined : part)),
  },
  {
    what: 'a nested transaction that is not awaited in a plain one is told that it failed, and is stored',
    avoid: (schedule) =>
      replaceParts(schedule, (part) =>
        part.part === 'nest' && part.how === 'float' ? { ...part, how: 'await' } : part,
      ),
  },
  {
    what: 'connectionState() counts spare connections as opening',
    excuses: ({ rule, text }) => rule === 'counts' && text.includes('maximum'),
  },
  {
    what: 'a spare connection whose end() throws is left open',
    avoid(schedule) {
      delete schedule.setting.foreign.endThrows;
    },
  },
  {
    what: 'a stream that a limit or a signal ends leaves its connection one answer behind: the next borrower is told those of others',
    avoid: (schedule) => replaceParts(schedule, (part) => (part.part === 'stream' ? undefined : part)),
  },
  {
    what: 'a block that joined another, which fails meanwhile, rejects beside, and its outer block never settles',
    avoid: (schedule) =>
      replaceParts(schedule, (part) =>
        part.part === 'together' ? { ...part, parts: part.parts.map(separate) } : part,
      ),
  },
  {
    what: 'statements of the package overlap with others on the connection',
    excuses: ({ rule }) => rule === 'overlap',
  },
  {
    what: 'a reset has the bound of an earlier cancel or close',
    excuses: ({ rule, text }) =>
      (rule === 'settled' && /^a reset took|never told/.test(text)) ||
      rule === 'destroy' ||
      (rule === 'nothing left' && /timers|sockets/.test(text)),
  },
];
