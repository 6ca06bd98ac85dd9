// Clients of the service, and what they saw.
import { once } from 'node:events';
import type http from 'node:http';
import type { AddressInfo } from 'node:net';

const CLIENTS = 12;

class Tally {
  answered = 0;
  failed = 0;
  slowestMillis = 0;

  print(what: string): void {
    const { answered, failed, slowestMillis } = this;
    console.log(`${what}: ${answered} answered, ${failed} failed, the slowest took ${Math.round(slowestMillis)} ms`);
  }
}

/** Half of the clients read, the other half orders, one id after the other. */
export class Load {
  readonly reads = new Tally();
  readonly orders = new Tally();
  readonly acknowledged: number[] = [];
  readonly #origin: string;
  readonly #clients: Promise<unknown>;
  #isOver = false;
  #lastId = 0;

  static async on(service: http.Server): Promise<Load> {
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    return new Load(`http://127.0.0.1:${(service.address() as AddressInfo).port}`);
  }

  private constructor(origin: string) {
    this.#origin = origin;
    this.#clients = Promise.all(Array.from({ length: CLIENTS }, (_, number) => this.#client(number % 2 === 1)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }

  async #client(reads: boolean): Promise<void> {
    while (!this.#isOver) {
      if (reads) await this.#ask(this.reads, this.#origin, 'GET');
      else await this.#order(++this.#lastId);
    }
  }

  async #order(id: number): Promise<void> {
    if (await this.#ask(this.orders, `${this.#origin}/${id}`, 'POST')) this.acknowledged.push(id);
  }

  async #ask(tally: Tally, url: string, method: string): Promise<boolean> {
    const startedAt = performance.now();
    const response = await fetch(url, { method });
    await response.text();
    if (response.ok) tally.answered++;
    else tally.failed++;
    tally.slowestMillis = Math.max(tally.slowestMillis, performance.now() - startedAt);
    return response.ok;
  }
}
