// How promises come out, for looking at rejections as values: nothing is left unhandled meanwhile.

export type Outcome<T> = { value: T; error?: undefined } | { value?: undefined; error: unknown };

/** What the promise came to, either way. */
export function outcome<T>(promise: PromiseLike<T>): Promise<Outcome<T>> {
  return Promise.resolve(promise).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/** What the promise rejects with. Rejects where it resolves. */
export async function failure(promise: PromiseLike<unknown>): Promise<Error & Record<string, unknown>> {
  const { value, error } = await outcome(promise);
  if (error === undefined) throw new Error(`expected a rejection, but it resolved with ${typeof value}`);
  return error as Error & Record<string, unknown>;
}

/** What a call throws. Throws where it returns. */
export function thrownBy(call: () => unknown): unknown {
  let returned: unknown;
  try {
    returned = call();
  } catch (error) {
    return error;
  }
  throw new Error(`expected it to throw, but it returned ${typeof returned}`);
}

/** A promise whose state can be read at any moment. */
export interface Watched<T> {
  readonly state: 'pending' | 'resolved' | 'rejected';
  readonly value: T | undefined;
  readonly error: unknown;
}

export function watch<T>(promise: PromiseLike<T>): Watched<T> {
  const watched: { state: Watched<T>['state']; value: T | undefined; error: unknown } = {
    state: 'pending',
    value: undefined,
    error: undefined,
  };
  promise.then(
    (value) => Object.assign(watched, { state: 'resolved', value }),
    (error: unknown) => Object.assign(watched, { state: 'rejected', error }),
  );
  return watched;
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A promise that never settles, for a callback that hangs. */
export function never(): Promise<never> {
  return new Promise(() => {});
}

/** How long a piece of work takes. */
export async function millisOf(work: PromiseLike<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

/** Asks what is asked only when it is awaited, as a query of knex's is. */
export function asked<T>(lazy: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => void lazy.then(resolve, reject));
}
