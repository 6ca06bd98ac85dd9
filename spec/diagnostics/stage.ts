// What the specs of diagnostics share: a pool that is full soon, what its error shows, and the subscribers of the channels.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import path from 'node:path';
import util from 'node:util';
import { expect } from 'chai';
import sinon from 'sinon';
import type { OpenTransaction } from '../../lib';
import type { StageConfig } from '../support/stage';
import { nextTurn } from '../support/outcome';
import { until } from '../support/until';

const OURS = path.resolve(__dirname, '../../lib') + path.sep;

export type FullPoolError = Error & { holders: OpenTransaction[] };

/** How long those who ask for a connection wait in vain. */
export const WAITS_MILLIS = 600;

/** A pool of so many connections, whose askers give up soon. */
export function narrow(max: number): StageConfig {
  return { pool: { max }, acquireConnectionTimeout: WAITS_MILLIS };
}

/** The lines of its message that list the holders. */
export function listOf({ message }: Error): string[] {
  const [, list] = message.split('\nHeld by:\n');
  return list?.split('\n') ?? [];
}

/** Whatever is opened from now on is younger than what is open. */
export async function later(): Promise<void> {
  const now = Date.now();
  await until('the clock has moved on', () => Date.now() > now);
}

/** Everything that a log may show of it, causes and hidden fields included. */
export function shown(value: unknown): string {
  const { message, stack } = value as Partial<Error>;
  const fields = JSON.stringify(Object.entries(value as object));
  return [message, stack, fields, util.inspect(value, { depth: 10, showHidden: true, getters: true })].join('\n');
}

/** Where something was opened or asked: in this function of this file first, and nowhere in knex or in this package. */
export function expectUserFrames(stack: string, file: string, opener?: string): void {
  const lines = stack.split('\n');
  expect(lines[0]).to.match(/^at /).and.to.include(file);
  if (opener) expect(lines[0]).to.include(opener);
  for (const line of lines)
    expect(line)
      .not.to.match(/node_modules[\\/]knex\d*[\\/]/)
      .and.not.to.include(OURS);
}

/** A clock that stands still until it is told. What was set before on the real one can still be taken back. */
export function stopClock(): sinon.SinonFakeTimers {
  return sinon.useFakeTimers({
    now: Date.now(),
    toFake: ['setTimeout', 'clearTimeout', 'Date'],
    shouldClearNativeTimers: true,
  });
}

/** Registers the hooks that subscribe to a channel around each test, and gives the list of its messages. */
export function useMessages<T>(channel: string): T[] {
  const messages: T[] = [];
  const listener = (message: unknown) => void messages.push(message as T);
  beforeEach(() => {
    messages.length = 0;
    subscribe(channel, listener);
  });
  afterEach(() => void unsubscribe(channel, listener));
  return messages;
}

/** Does the work while somebody listens to the channel. */
export async function subscribed(
  channel: string,
  work: () => Promise<void> | void,
  listener: () => void = () => {},
): Promise<void> {
  subscribe(channel, listener);
  try {
    await work();
  } finally {
    unsubscribe(channel, listener);
  }
}

/** Does the work while a subscriber of the channel throws. */
export function throwingIn(channel: string, error: Error, work: () => Promise<void>): Promise<void> {
  return subscribed(channel, work, () => {
    throw error;
  });
}

/** Does the work, and gives back the exceptions that went uncaught meanwhile, which would have ended the process. */
export async function catching(work: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => void uncaught.push(error));
  try {
    await work();
    await nextTurn();
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  return uncaught;
}
