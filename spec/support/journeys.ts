// The files of lib/ in which a function runs during a journey, as V8's profiler counts calls.
import { Session } from 'node:inspector';
import path from 'node:path';
import type { ResettableKnex } from './instances';

const lib = path.resolve(__dirname, '..', '..', 'lib');

export interface Journey {
  readonly title: string;
  /** How many files it may enter. */
  readonly limit: number;
  /** What is there before it begins. Returns the journey, which returns what clears up after it. */
  prepare(db: ResettableKnex): Promise<() => Promise<() => Promise<unknown>>>;
}

const nothing = async () => {};

/** The journeys that are measured, each with its limit. */
export const JOURNEYS: readonly Journey[] = [
  {
    title: 'a reset with one open transaction',
    limit: 41,
    async prepare(db) {
      const trx = await db.transaction();
      await trx.raw('select 1');
      return async () => {
        await db.resetConnection();
        return () => trx.executionPromise.catch(nothing);
      };
    },
  },
  {
    title: "db('t').select()",
    limit: 23,
    async prepare(db) {
      return async () => {
        await db('pg_am').select('amname');
        return nothing;
      };
    },
  },
  {
    title: 'db.atomic() with a savepoint and a hook',
    limit: 66,
    async prepare(db) {
      return async () => {
        await db.atomic(async (trx) => {
          trx.afterCommit(nothing);
          await trx.atomic((inner) => inner('pg_am').select('amname'));
        });
        return nothing;
      };
    },
  },
  {
    title: 'a query in a sandbox',
    limit: 31,
    async prepare(db) {
      const sandbox = await db.openSandbox();
      return async () => {
        await db('pg_am').select('amname');
        return () => sandbox.close();
      };
    },
  },
];

/** The files that the second of two equal journeys enters: what is set up once does not count. */
export async function filesEntered(journey: Journey, db: ResettableKnex): Promise<string[]> {
  const profiler = new Profiler();
  try {
    await (await (await journey.prepare(db))())();
    const go = await journey.prepare(db);
    profiler.take();
    const clearUp = await go();
    const files = profiler.take();
    await clearUp();
    return files;
  } finally {
    profiler.stop();
  }
}

/** Of a getter that the compiler makes: `()=>from[key]`. */
const LONGEST_GETTER = '() => from[key]'.length;

interface Coverage {
  result: {
    url: string;
    functions: { functionName: string; ranges: { startOffset: number; endOffset: number; count: number }[] }[];
  }[];
}

/** Counts calls in this process. The answers of the session come at once. */
class Profiler {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }

  /** The files of lib/ that were entered since the last time. */
  take(): string[] {
    let files: string[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error) throw error;
      files = filesIn(answer as Coverage);
    });
    return files;
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}

function filesIn({ result }: Coverage): string[] {
  return result
    .filter(({ url }) => url.includes(lib))
    .filter(({ functions }) => functions.some((each) => wasEntered(each)))
    .map(({ url }) => url.slice(url.indexOf(lib) + lib.length + 1))
    .sort();
}

/** The compiler makes `()=>name` for each export, and a getter around it. They run where another file reads the name: that does not enter the file. */
function wasEntered({ functionName, ranges }: Coverage['result'][number]['functions'][number]): boolean {
  const [range] = ranges;
  if (!range || range.count === 0) return false;
  const length = range.endOffset - range.startOffset;
  const isExport = length === `()=>${functionName}`.length || length === `() => ${functionName}`.length;
  return !isExport && !(functionName === 'get' && length <= LONGEST_GETTER);
}
