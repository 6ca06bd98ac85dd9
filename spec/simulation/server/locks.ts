// Row and key locks: exclusive, first come, first served, held until the transaction ends or is rolled back behind them.
import { SqlError } from './sql-error';

interface Waiter<Owner> {
  owner: Owner;
  granted(): void;
}

interface Lock<Owner> {
  owner: Owner;
  queue: Waiter<Owner>[];
}

/** A wait for a lock that can be given up. */
export interface LockWait {
  granted: Promise<void>;
  giveUp(): void;
}

export class Locks<Owner extends object> {
  readonly #locks = new Map<string, Lock<Owner>>();
  readonly #waiting = new Map<Owner, Lock<Owner>>();

  get held(): string[] {
    return [...this.#locks.keys()];
  }

  /** Undefined: the lock is the owner's. @throws SqlError 40P01 where waiting for it would never end */
  take(owner: Owner, name: string): LockWait | undefined {
    const lock = this.#locks.get(name);
    if (!lock) this.#locks.set(name, { owner, queue: [] });
    if (!lock || lock.owner === owner) return undefined;
    if (this.#waitsFor(lock.owner, owner)) throw new SqlError('40P01', 'deadlock detected');
    let waiter!: Waiter<Owner>;
    const granted = new Promise<void>((resolve) => {
      waiter = { owner, granted: resolve };
    });
    lock.queue.push(waiter);
    this.#waiting.set(owner, lock);
    const giveUp = () => {
      lock.queue = lock.queue.filter((other) => other !== waiter);
      this.#waiting.delete(owner);
      // It was granted in the very moment.
      this.release(owner, name);
    };
    return { granted, giveUp };
  }

  release(owner: Owner, name: string): void {
    const lock = this.#locks.get(name);
    if (lock?.owner !== owner) return;
    const next = lock.queue.shift();
    if (!next) {
      this.#locks.delete(name);
      return;
    }
    lock.owner = next.owner;
    this.#waiting.delete(next.owner);
    next.granted();
  }

  #waitsFor(owner: Owner, target: Owner): boolean {
    const lock = this.#waiting.get(owner);
    return lock !== undefined && (lock.owner === target || this.#waitsFor(lock.owner, target));
  }
}
