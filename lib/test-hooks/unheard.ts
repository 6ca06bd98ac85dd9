// A promise that these hooks abort may have no handler. The test reports that leak already, so no unhandled rejection may follow.
import { ResetError, SandboxError } from '../words/errors';

export const REASON = 'the test that asked for it is over';

let wanted = 0;
let unmute = () => {};

/**
 * Until the returned function is called, unhandled rejections that these hooks caused do not fail the test that runs then.
 * A listener could not do that: the listeners of the runner would be called as well.
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
  // Also errors of other realms, as in jest and `vm`.
  for (let each = error; typeof each === 'object' && each !== null; each = (each as { cause?: unknown }).cause) {
    if (each instanceof SandboxError || (each instanceof ResetError && each.reason === REASON)) return true;
  }
  return false;
}
