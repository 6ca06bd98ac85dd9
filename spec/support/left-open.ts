// What would keep the process alive after the last test: in a parallel run, where nobody waits for a worker to end, after the last of each file.

const WAITS_MILLIS = 3000;
const PAUSE_MILLIS = 10;
const SOCKETS = ['TCPSocketWrap', 'TCPServerWrap'];
/** Mocha's own, for the hook that asks. */
const TIMERS = 1;

/** One line if sockets, servers or timers are left; those that are about to close are waited for. */
export async function leftOpen(): Promise<string[]> {
  for (const end = performance.now() + WAITS_MILLIS; open().length > 0 && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
  const left = open();
  return left.length === 0 ? [] : [`left open after the last test: ${left.join(', ')}`];
}

function open(): string[] {
  const kinds = process.getActiveResourcesInfo();
  const timers = kinds.filter((kind) => kind === 'Timeout');
  return [...kinds.filter((kind) => SOCKETS.includes(kind)), ...timers.slice(TIMERS)];
}
