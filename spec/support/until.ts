// Waits for a named condition instead of for a guessed time. Keeps to the real clock where a spec has faked it.
const realSetTimeout = setTimeout;
const realNow = performance.now.bind(performance);
const pauseMillis = 3;

interface UntilOptions {
  timeoutMillis?: number;
}

/** Resolves with the condition's first truthy value; rejects, naming what was waited for, when none came in time. */
export async function until<T>(
  description: string,
  condition: () => T | Promise<T>,
  { timeoutMillis = 5000 }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const start = realNow();
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (realNow() - start >= timeoutMillis) {
      throw new Error(`waited ${timeoutMillis} ms in vain until ${description}`);
    }
    await new Promise((resolve) => realSetTimeout(resolve, pauseMillis));
  }
}
