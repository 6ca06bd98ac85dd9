// Exceptions that nobody catches, for specs of what is the process's business: mocha would fail the test for them.
import { nextTurn } from './outcome';

/** Runs the work, and resolves with what was thrown meanwhile to nobody. */
export async function uncaughtDuring(work: () => Promise<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const collect = (error: unknown) => void found.push(error);
  process.on('uncaughtException', collect);
  try {
    await work();
    await nextTurn();
  } finally {
    process.off('uncaughtException', collect);
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return found;
}
