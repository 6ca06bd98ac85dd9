// A side of a comparison in processes of its own, as a user has it. In one process both sides share the functions of knex and pg, and V8 compiles
// these for both. Two processes with the same code differ by some hundredths for as long as they run, so there are several of each, and what they
// differ by is in the error that is told.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { type Comparison, compare, type Line, type Side } from './harness';
import type { WorkName } from './apart-child';
import type { Address } from './instances';

const CHILD = path.join(__dirname, 'apart-child.ts');
/** With fewer than six, even all that lies between the smallest and the largest value is no 95 % interval. */
const PROCESSES = 6;
/** Of each side: about five thousand runs of a transaction in each process. V8 goes on optimising for as long. */
const WARM_UP_MILLIS = 12_000;

class Apart implements Side {
  readonly #children: ChildProcess[];
  readonly #exits: Promise<unknown>[];
  #turn = 0;

  constructor(work: WorkName, { connection }: Address) {
    const given = [work, JSON.stringify(connection)];
    this.#children = Array.from({ length: PROCESSES }, () => fork(CHILD, given, { execArgv: ['--import', 'tsx'] }));
    this.#exits = this.#children.map((child) => once(child, 'exit'));
  }

  /** In the next one of the processes. */
  readonly work = async (times: number): Promise<void> => {
    const turn = this.#turn++ % PROCESSES;
    const child = this.#children[turn] as ChildProcess;
    child.send(times);
    const ended = this.#exits[turn]?.then(() => ['its process has ended']);
    const [failure] = (await Promise.race([once(child, 'message'), ended])) as [string | null];
    if (failure !== null) throw new Error(failure);
  };

  async end(): Promise<void> {
    for (const child of this.#children) if (child.connected) child.disconnect();
    await Promise.all(this.#exits);
  }
}

/** Compares two works, each in processes of its own, on one database or on two. */
export async function compareApart(
  address: Address | [ours: Address, rival: Address],
  our: WorkName,
  rival: WorkName,
  comparison: Omit<Comparison, 'ours' | 'rival' | 'processes'>,
): Promise<Line[]> {
  const [ourAddress, rivalAddress] = Array.isArray(address) ? address : [address, address];
  const sides = [new Apart(our, ourAddress), new Apart(rival, rivalAddress)] as const;
  try {
    return [
      await compare({
        warmUpMillis: WARM_UP_MILLIS,
        ...comparison,
        ours: sides[0],
        rival: sides[1],
        processes: PROCESSES,
      }),
    ];
  } finally {
    await Promise.all(sides.map((side) => side.end()));
  }
}
