// A promise that these hooks abort may have no handler. That is the leak, which the test reports already: no unhandled rejection follows.
import { ResetError, SandboxError } from '../words/errors';

export const REASON = 'the test that asked for it is over';

let wanted = 0;
let unmute = () => {};

/**
 * Keeps rejections that these hooks caused from failing whatever runs when they come out unheard, until the returned function is called.
 * No listener could do that: those of the runner would hear of them all the same.
 */
export function muteAborted(): () => void {
  if (wanted++ === 0) unmute = mute();
  return () => {
    if (--wanted === 0) unmute();
  };
}

function mute(): () => void {
  const { emit } = process as { emit: (this: unknown, ...args: unknown[]) => boolean };
  const muted = function (this: unknown, ...args: unknown[]) {
    return args[0] === 'unhandledRejection' && isOurDoing(args[1]) ? true : emit.apply(this, args);
  };
  const wasOwn = Object.hasOwn(process, 'emit');
  Object.assign(process, { emit: muted });
  return () => {
    if ((process.emit as unknown) !== muted) return;
    if (wasOwn) Object.assign(process, { emit });
    else delete (process as Partial<NodeJS.Process>).emit;
  };
}

function isOurDoing(error: unknown): boolean {
  // Not only instances of this realm's Error: jest's and vm's have another one.
  for (let each = error; typeof each === 'object' && each !== null; each = (each as { cause?: unknown }).cause) {
    if (each instanceof SandboxError || (each instanceof ResetError && each.reason === REASON)) return true;
  }
  return false;
}
