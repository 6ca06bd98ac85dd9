// What would keep the process alive after the last test: in a parallel run, where nobody waits for a worker to end, after the last of each file.

const WAITS_MILLIS = 3000;
const PAUSE_MILLIS = 10;
const SOCKETS = ['TCPSocketWrap', 'TCPServerWrap'];
/** Mocha's own, for the hook that asks. */
const TIMERS = 1;

/** What a file before has left in this worker, and was told of. */
let known = 0;

/** One line if more sockets, servers or timers are left than before; those that are about to close are waited for. */
export async function leftOpen(): Promise<string[]> {
  for (const end = performance.now() + WAITS_MILLIS; open().length > known && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
  const left = open();
  const isMore = left.length > known;
  known = left.length;
  return isMore ? [`left open after the last test: ${left.join(', ')}`] : [];
}

function open(): string[] {
  const kinds = process.getActiveResourcesInfo();
  const timers = kinds.filter((kind) => kind === 'Timeout');
  return [...kinds.filter((kind) => SOCKETS.includes(kind)), ...timers.slice(TIMERS)];
}
