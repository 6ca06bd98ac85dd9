// Makes the isolation of a suite: that of its instance, or those of several with one report.
import type { LeakReport } from '../words/types';
import { CleanIsolation } from './clean-isolation';
import type { Hooked, InstanceIsolation, Isolation, IsolationKind, OpenThings } from './isolation';
import { ResetIsolation } from './reset-isolation';
import { SandboxIsolation } from './sandbox-isolation';

/** @param sparesOpen no hook has failed yet: what is open already is the app's */
export function isolate(kind: IsolationKind, instances: Hooked[], sparesOpen: boolean): InstanceIsolation {
  const isolations = instances.map((each) => isolateOne(kind, each, sparesOpen));
  const [only] = isolations;
  return only && isolations.length === 1 ? only : new AllIsolations(isolations);
}

function isolateOne(kind: IsolationKind, hooked: Hooked, sparesOpen: boolean): InstanceIsolation {
  switch (kind) {
    case 'sandbox':
      return new SandboxIsolation(hooked, sparesOpen);
    case 'clean':
      return new CleanIsolation(hooked);
    default:
      return new ResetIsolation(hooked, kind);
  }
}

class AllIsolations<I extends Isolation> implements Isolation {
  #opening: Promise<unknown> | undefined;

  constructor(protected readonly isolations: readonly I[]) {}

  get hasEnd(): boolean {
    return this.isolations.some(({ hasEnd }) => hasEnd);
  }

  /** Where one cannot be made clean there is no test: what is open for it of the others is closed. */
  async open(): Promise<void> {
    const opened: I[] = [];
    const opening = all(this.isolations, (each) => each.open().then(() => opened.push(each)));
    this.#opening = opening;
    try {
      await opening;
    } catch (error) {
      // A test that was given up may learn of it when the next one has them.
      if (this.#opening === opening) await Promise.allSettled(opened.map((each) => each.close(new Set())));
      throw error;
    }
  }

  async close(earlier: OpenThings): Promise<LeakReport> {
    const reports = await all(this.isolations, (each) => each.close(earlier));
    return {
      transactions: reports.flatMap(({ transactions }) => transactions),
      queries: reports.flatMap(({ queries }) => queries),
    };
  }

  openNow(): OpenThings {
    return new Set(this.isolations.flatMap((each) => [...each.openNow()]));
  }

  async hasOpen(earlier: OpenThings): Promise<boolean> {
    return (await all(this.isolations, (each) => each.hasOpen(earlier))).includes(true);
  }

  nest(): Isolation {
    return new AllIsolations(this.isolations.map((each) => each.nest()));
  }

  async end(this: AllIsolations<InstanceIsolation>): Promise<void> {
    await all(this.isolations, (each) => each.end());
  }
}

/** Does it with each, whatever becomes of the others. Rejects with the first failure. */
async function all<T, R>(list: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const outcomes = await Promise.allSettled(list.map(work));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
