// Faults of the network, made by the proxy that every connection goes through.
import type { FaultProxy } from '../../spec/support/fault-proxy';
import { pause, type Fault } from './world';

/** How long a fault waits for the next COMMIT that it is meant for. */
const WAITS_MILLIS = 200;

export function proxyFaults(proxy: FaultProxy): Record<string, Fault> {
  return {
    'link cut before COMMIT': () => striking(proxy.cutBefore(/COMMIT/i)),
    'link cut after COMMIT': () => striking(proxy.cutAfter(/COMMIT/i)),
    'answer to COMMIT swallowed': async () => {
      await striking(proxy.swallowAnswersAfter(/COMMIT/i));
      proxy.reset();
    },
    'all links reset': async () => proxy.reset(),
    'all links closed': async () => proxy.fin(),
    'network silent, then reset': async (random) => {
      proxy.mode = random.oneOf(['blackhole', 'blackhole-up', 'blackhole-down'] as const);
      await pause(random.between(50, 1200));
      proxy.mode = 'pass';
      // What was swallowed is lost, so that these links can only be closed.
      proxy.reset();
    },
    'network slow': async (random) => {
      proxy.delayMillis = random.between(1, 30);
      await pause(random.between(100, 800));
      proxy.delayMillis = 0;
    },
    'new links refused': async (random) => {
      proxy.mode = 'reject';
      await pause(random.between(20, 400));
      proxy.mode = 'pass';
    },
  };
}

/** What was not committed loses its place in the log, and its id on the server goes to another. */
export async function cutAndKill(proxy: FaultProxy, kill: () => Promise<void>): Promise<void> {
  await striking(proxy.cutBefore(/COMMIT/i));
  await kill();
}

async function striking(fault: { readonly hits: number }): Promise<void> {
  for (const end = performance.now() + WAITS_MILLIS; fault.hits === 0 && performance.now() < end; ) await pause(2);
}
