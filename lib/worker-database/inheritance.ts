// A process that loads this package anew, as jest does for each test file, goes on with the clones of its earlier loads.
import { EventEmitter } from 'node:events';
import { OWN_FILE } from '../words/call-site';

/** A clone, as a later load of the package in this process finds it. */
export interface Kept {
  readonly clone: string;
  /** Ends the connection that has the lock of the clone. Resolves when nobody has it. */
  letGo(): Promise<void>;
}

type Clones = Map<string, (Kept | undefined)[]>;

/** Of this copy on disk: another copy of the package may be in use at the same time. */
const CLONES = Symbol.for(`knex-reset.clones.${OWN_FILE}`);

/** How many clones of each template this load has. Those of one load are in use at the same time: each is another one. */
const counts = new Map<string, number>();

/** On an object of node itself, the only ones that all loads share: jest gives each its own global and its own `process`. */
function clonesOfProcess(): Clones {
  const host = EventEmitter as { [CLONES]?: Clones };
  if (!host[CLONES]) Object.defineProperty(host, CLONES, { value: new Map() });
  return host[CLONES] as Clones;
}

/** The place of one clone of a template in the process. What an earlier load has put there is the later one's. */
export class Place {
  readonly #clones: (Kept | undefined)[];
  readonly #number: number;
  /** What an earlier load has put there: nobody else finds it. */
  readonly earlier: Kept | undefined;

  /** @param template its server and its name */
  constructor(template: string) {
    const all = clonesOfProcess();
    this.#clones = all.get(template) ?? [];
    all.set(template, this.#clones);
    this.#number = counts.get(template) ?? 0;
    counts.set(template, this.#number + 1);
    this.earlier = this.#clones[this.#number];
    this.#clones[this.#number] = undefined;
  }

  /** Leaves one to later loads, unless another load has been quicker. */
  put(kept: Kept): void {
    this.#clones[this.#number] ??= kept;
  }

  /** It is dropped. */
  remove(kept: Kept): void {
    if (this.#clones[this.#number] === kept) this.#clones[this.#number] = undefined;
  }
}
