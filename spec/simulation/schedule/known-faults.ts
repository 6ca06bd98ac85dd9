// Faults of the package that the simulator has found, and that are not mended yet. Schedules keep away from them, so that it goes on
// looking for others. The list may only shrink; `--all` leaves nothing out.
import type { Violation } from '../oracle/violation';
import type { Evidence } from '../run/run';
import type { Ambush } from '../server/ambush';
import type { Hurt, Part, Schedule } from './schedule';

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

/** It may meet the query that knex asks of each first connection. */
function isAtOpening({ on, effect }: Ambush): boolean {
  return effect.is === 'error' && (on === 'select' || on === 'any');
}

const UNHEARD = new Set<string>([
  'forget',
  'reset the client',
  'reset the server',
  'swallow',
  'swallow answers',
  'swallow requests',
]);

export const knownFaults: KnownFault[] = [
  {
    what: 'cancels and spare connections do not go through the stream factory',
    avoid(schedule) {
      schedule.setting.way = 'address';
    },
  },
  {
    what: 'a connection whose end the server has not heard of leaves its backend behind',
    avoid(schedule) {
      for (const { action } of schedule.steps) {
        if (action.act === 'hurt' && UNHEARD.has(action.how)) action.how = 'reset' satisfies Hurt;
        if (action.act === 'ambush' && UNHEARD.has(action.ambush.effect.is)) action.ambush.effect = { is: 'reset' };
      }
    },
    excuses: ({ rule }, { schedule }) =>
      (rule === 'let go' || rule === 'nothing left') && /"(?:how|is)":"(?:reset|end)"/.test(JSON.stringify(schedule)),
  },
  {
    what: 'a connection that failed while knex set it up is cut by the reset, and not waited for',
    avoid(schedule) {
      schedule.steps = schedule.steps.filter(({ action }) => action.act !== 'ambush' || !isAtOpening(action.ambush));
    },
  },
  {
    what: 'rollback() inside a block is refused, and the block commits',
    avoid: (schedule) => replaceParts(schedule, (part) => (part.part === 'control' ? undefined : part)),
  },
  {
    what: 'a joined block that is not awaited rejects beside, and its outer block never settles',
    avoid: (schedule) =>
      replaceParts(schedule, (part) => (part.part === 'nest' && part.form === 'joined' ? undefined : part)),
  },
  {
    what: 'what waits in the queue when raw SQL has ended the transaction is sent',
    avoid: (schedule) => replaceParts(schedule, (part) => (part.part === 'raw' ? undefined : part)),
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
    what: 'a block that failed before a reset, in its grace, is tried again after it',
    avoid(schedule) {
      for (const { action } of schedule.steps) if (action.act === 'block') delete action.options.attempts;
    },
  },
  {
    what: 'statements of the package overlap with others on the connection',
    excuses: ({ rule }) => rule === 'overlap',
  },
  {
    what: 'a reset has the bound of an earlier cancel or close',
    excuses: ({ rule, text }) => rule === 'settled' && text.startsWith('a reset took'),
  },
];
