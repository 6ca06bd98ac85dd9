// A promise that these hooks abort may have no handler. The test reports that leak already, so no unhandled rejection may follow.
import type { EnclosingTransaction } from '../pool/ambient';
import { endedSandbox } from '../pool/sandboxes';
import { ResetError } from '../words/errors';
import { read, valueOr } from '../words/foreign';

export const REASON = 'the test that asked for it is over';

const sandboxes = new WeakSet<object>();

/** The sandbox that is pinned now is these hooks' own: its end is their doing. That of a test's own sandbox is the test's. */
export function ownSandbox(pinned: EnclosingTransaction | undefined): void {
  if (pinned?.sandbox) sandboxes.add(pinned.sandbox);
}

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

/** More causes than that are of no use to anybody: errors may well be each other's cause, or have a getter that makes ever new ones. */
const LONGEST_CHAIN = 20;

function isOurDoing(error: unknown): boolean {
  let each = error;
  for (let link = 0; link < LONGEST_CHAIN && typeof each === 'object' && each !== null; link++) {
    const one = each;
    // Also errors of other realms, as in jest and `vm`.
    if (valueOr(false, () => one instanceof ResetError && one.reason === REASON)) return true;
    const ended = endedSandbox(one);
    if (ended && sandboxes.has(ended)) return true;
    each = read(one, 'cause');
  }
  return false;
}
