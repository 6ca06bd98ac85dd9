// The promise of an inner block. It knows whether it has a handler: a failure without one is the failure of the outer block.
import type { Enclosing } from './enclosing';
import type { InnerFailure } from './inner-failures';

const ignore = () => {};

class InnerBlock<T> extends Promise<T> {
  isHandled = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isHandled = true;
    return super.then(onResolved, onRejected);
  }

  /** Its rejection is told elsewhere. */
  handOn(): void {
    super.then(undefined, ignore);
  }
}

/** @param outer gives the transaction that it runs in, once it is known */
export function watchInner<T>(
  running: Promise<T>,
  outer: () => Enclosing | undefined,
  what: InnerFailure['what'] = 'a block in',
): Promise<T> {
  const isOfCallback = outer()?.work.isCallbackRunning;
  const promise: InnerBlock<T> = new InnerBlock<T>((resolve, reject) => {
    running.then(resolve, (error: unknown) => {
      const around = outer();
      if (around && !around.isOver) {
        const failure = { error, what };
        const isLate = isOfCallback && !around.work.isCallbackRunning;
        // Like a query that the callback has ended without waiting for.
        if (isLate) around.work.failures.addUnawaited(failure);
        else if (!promise.isHandled) around.work.failures.addUnheard({ failure, isHeard: () => promise.isHandled });
        if (isLate || !promise.isHandled) promise.handOn();
      } else if (around && error === around.endReason) {
        // The one around has told it.
        promise.handOn();
      }
      reject(error);
    });
  });
  return promise;
}
