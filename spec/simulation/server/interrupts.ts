// What can wake a backend out of a wait: a cancel, a termination, the death of its process.
import { SqlError } from './sql-error';

/** The process is gone: nothing more is said or done. */
export class Killed extends Error {}

export class Interrupts {
  #raised: Error | undefined;
  #wake: ((error: Error) => void) | undefined;

  get raised(): Error | undefined {
    return this.#raised;
  }

  /** Ends the wait under way, or the next one. A termination goes before a cancel, a death before both. */
  raise(error: Error): void {
    if (this.#raised instanceof Killed) return;
    if (isCancel(error) && this.#raised) return;
    this.#raised = error;
    this.#wake?.(error);
  }

  /** A cancel that found nothing to stop is forgotten. */
  forgetCancel(): void {
    if (isCancel(this.#raised)) this.#raised = undefined;
  }

  /** The work's value; rejects with what is raised meanwhile. A cancel counts once. */
  async during<T>(work: Promise<T>): Promise<T> {
    const interrupted = new Promise<never>((_resolve, reject) => {
      this.#wake = reject;
      if (this.#raised) reject(this.#raised);
    });
    try {
      return await Promise.race([work, interrupted]);
    } finally {
      this.#wake = undefined;
      this.forgetCancel();
    }
  }
}

function isCancel(error: Error | undefined): boolean {
  return error instanceof SqlError && error.severity === 'ERROR';
}
