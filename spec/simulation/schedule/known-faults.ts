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

/** What knex and the workload ask of a new connection. */
const SET_UP = /^(?:select version\(\)|set application_name|cancel|terminate)/;

export const knownFaults: KnownFault[] = [
  {
    what: 'a connection that was lost while it logged in, or while knex set it up, leaves its backend behind for a while',
    excuses: ({ rule, text }, { journal }) => {
      if (rule !== 'let go' && rule !== 'nothing left') return false;
      const pids = [...text.matchAll(/\b(\d+)(?: \(at|,| are left)/g)].map(([, pid]) => Number(pid));
      const isAsked = (pid: number) =>
        journal.entries.some((entry) => entry.pid === pid && entry.is === 'received' && !SET_UP.test(entry.text));
      return text.includes('backend') && pids.length > 0 && !pids.some(isAsked);
    },
  },
  {
    what: 'the session of a side connection that is cut itself stays',
    excuses: ({ rule, text }, { journal, schedule }) => {
      const pids = [...text.matchAll(/\b(\d+)(?: \(at|,| are left)/g)].map(([, pid]) => Number(pid));
      const of = (pid: number) => journal.entries.filter((entry) => entry.pid === pid);
      const isCutSide = (pid: number) =>
        of(pid).some(({ text: said }) => said.startsWith('select pg_terminate_backend')) &&
        (schedule.setting.foreign.endThrows !== undefined || journal.entries.some(({ is }) => is === 'fault'));
      return (rule === 'let go' || rule === 'nothing left') && pids.some(isCutSide);
    },
  },
  {
    what: 'a reset resolves up to two milliseconds before a backend is gone whose connection was cut at that moment',
    excuses: ({ rule, text }, { journal }) =>
      rule === 'let go' && text.endsWith('gone a moment later') && journal.entries.some(({ is }) => is === 'fault'),
  },
  {
    what: 'an orderly end that comes from between, right behind a goodbye, is taken for the answer of the server',
    excuses: ({ rule }, { schedule }) => rule === 'let go' && /"(?:how|is)":"end"/.test(JSON.stringify(schedule.steps)),
  },
  {
    what: 'a savepoint whose RELEASE outlasts the limit of its block is told so by a plain Error',
    excuses: ({ rule, text }) => rule === 'explained' && text.includes('was not answered in time'),
  },
  {
    what: 'a session stays where its server lets nobody in for as long as a reset may take',
    excuses: ({ rule }, { schedule }) =>
      (rule === 'let go' || rule === 'nothing left') &&
      schedule.steps.some(({ action }) => action.act === 'unreachable'),
  },
  {
    what: 'a statement that is sent while a transaction inside its own is open, which nobody awaits, is undone with that one',
    avoid: (schedule) =>
      replaceParts(schedule, (part) =>
        part.part === 'nest' && part.how === 'float' ? { ...part, how: 'await' } : part,
      ),
  },
];
