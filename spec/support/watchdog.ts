// Cleans up behind this process, however it ends: kills the server, removes the files.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type net from 'node:net';

/**
 * A shell that waits for the end of its input, which comes however our process ends (SIGKILL included), then ends
 * what it was last told to guard and removes the folders. It repeats both while files are still being written.
 */
export class Watchdog {
  static readonly #script = `
    while read -r line; do pid=$line; done
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      [ "\${pid:-none}" = none ] || { kill -QUIT "$pid"; kill -CONT "$pid"; }
      rm -rf "$@" && break
      sleep 0.1
    done 2>/dev/null`;

  readonly #shell: ChildProcess;

  constructor(folders: string[]) {
    this.#shell = spawn('/bin/sh', ['-c', Watchdog.#script, 'watchdog', ...folders], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#shell.unref();
    (this.#shell.stdin as net.Socket).unref();
  }

  /** From here on this process ends with ours, in the place of the one before. */
  guard(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? 'none'}\n`);
  }

  /** Lets it do its work now; resolves when that is done. */
  async dismiss(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null) return;
    this.#shell.ref();
    const exited = once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await exited;
  }
}
