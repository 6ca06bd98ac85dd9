// The service as a process of its own, and clients that order from it as fast as they can.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { until } from '../../spec/support/until';

const ROOT = path.resolve(__dirname, '..', '..');

export class ServiceProcess {
  readonly origin: string;
  output: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<[code: number | null, signal: NodeJS.Signals | null]>;

  static async start(databaseUrl: string, { graceMillis = 5000, limitMillis = 1000 } = {}): Promise<ServiceProcess> {
    const args = ['--require', require.resolve('tsx/cjs'), path.join(__dirname, 'main.ts')];
    const times = { LIMIT_MILLIS: String(limitMillis), GRACE_MILLIS: String(graceMillis) };
    const env = { ...process.env, ...times, DATABASE_URL: databaseUrl, PORT: '0', PGAPPNAME: 'service' };
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const add = (text: string) => {
      output += text;
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', add);
    const port = await until(
      'the service listens',
      () => {
        if (child.exitCode !== null) throw new Error(`the service has ended:\n${output}`);
        return /listening on (\d+)/.exec(output)?.[1];
      },
      { timeoutMillis: 30_000 },
    );
    return new ServiceProcess(child, `http://127.0.0.1:${port}`, output);
  }

  private constructor(child: ChildProcess, origin: string, output: string) {
    this.#child = child;
    this.origin = origin;
    this.output = output;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: string) => {
        this.output += text;
      });
    }
    this.#ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  }

  /** Resolves with how it ended, and how long after it was told to. */
  async terminate(): Promise<{ code: number | null; signal: NodeJS.Signals | null; millis: number }> {
    const start = performance.now();
    this.#child.kill('SIGTERM');
    const [code, signal] = await this.#ended;
    return { code, signal, millis: performance.now() - start };
  }

  /** For when it does not end by itself. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  order(id: number, item = 'book'): Promise<Response> {
    return fetch(`${this.origin}/orders`, { method: 'POST', body: JSON.stringify({ id, item }) });
  }
}

/** Orders until it is stopped, or nobody answers any more. */
export class Load {
  readonly acknowledged: number[] = [];
  /** By status, or by the error of a request that was not answered. */
  readonly refused = new Map<string, number>();
  readonly ended: Promise<unknown>;
  #last = 0;
  #isOver = false;

  constructor(service: ServiceProcess, clients: number) {
    this.ended = Promise.all(Array.from({ length: clients }, () => this.#orderFrom(service)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.ended;
  }

  async #orderFrom(service: ServiceProcess): Promise<void> {
    while (!this.#isOver) {
      const id = ++this.#last;
      const refusal = await service.order(id).then(
        async (response) => {
          await response.text();
          return response.ok ? undefined : String(response.status);
        },
        () => 'no answer',
      );
      if (refusal === undefined) this.acknowledged.push(id);
      else this.refused.set(refusal, (this.refused.get(refusal) ?? 0) + 1);
      if (refusal === 'no answer') return;
    }
  }
}
