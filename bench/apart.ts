// A side of a comparison in processes of its own, as a user has it. In one process both sides share the functions of knex and pg, and V8 compiles
// these for both. Two processes with the same code differ by a hundredth for as long as they run, so there are several.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Side } from './harness';
import type { Address, SideName } from './instances';

const CHILD = path.join(__dirname, 'apart-child.ts');
const PROCESSES = 3;

export class Apart implements Side {
  readonly #children: ChildProcess[];
  #turn = 0;

  constructor(side: SideName, { connection }: Address) {
    const given = [side, JSON.stringify(connection)];
    this.#children = Array.from({ length: PROCESSES }, () => fork(CHILD, given, { execArgv: ['--import', 'tsx'] }));
  }

  /** In the next one of the processes. */
  readonly work = async (times: number): Promise<void> => {
    const child = this.#children[this.#turn++ % PROCESSES] as ChildProcess;
    child.send(times);
    const [failure] = (await once(child, 'message')) as [string | null];
    if (failure !== null) throw new Error(failure);
  };

  async end(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        child.disconnect();
        await once(child, 'exit');
      }),
    );
  }
}
