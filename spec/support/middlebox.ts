// A middlebox, such as a NAT or a load balancer, that forgets connections: the server never hears of it.
import { once } from 'node:events';
import net from 'node:net';
import { abort } from './proxy-link';

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
  isForgotten: boolean;
}

export class Middlebox {
  /** Links ever made. */
  accepted = 0;
  /** What the clients of new links send is kept back. */
  #isStalled = false;
  readonly #links = new Set<Link>();
  readonly #listener: net.Server;

  static async to(target: { host: string; port: number }): Promise<Middlebox> {
    const middlebox = new Middlebox(target);
    await once(middlebox.#listener, 'listening');
    return middlebox;
  }

  private constructor({ host, port }: { host: string; port: number }) {
    const options = { allowHalfOpen: true };
    this.#listener = net
      .createServer(options, (client) => this.#accept(client, net.connect({ host, port, ...options })))
      .listen(0, '127.0.0.1');
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  /** The links of now are forgotten: the next packet of a client is answered by RST, and none reaches the server. */
  forget(): void {
    for (const link of this.#links) link.isForgotten = true;
  }

  /** The same, and the clients are told at once. */
  reset(): void {
    this.forget();
    for (const { client } of this.#links) abort(client);
  }

  /** The same, and the clients take it for an orderly end. */
  fin(): void {
    this.forget();
    for (const { client } of this.#links) client.end();
  }

  /** From now on it keeps back what is sent on new links, until `flow()`. */
  stall(): void {
    this.#isStalled = true;
  }

  /** What is stalled stays so; later links pass. */
  passNew(): void {
    this.#isStalled = false;
  }

  flow(): void {
    this.#isStalled = false;
    for (const { client } of this.#links) client.resume();
  }

  /** Its clients have all hung up. */
  get isDeserted(): boolean {
    return [...this.#links].every(({ client }) => client.destroyed);
  }

  async close(): Promise<void> {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #accept(client: net.Socket, server: net.Socket): void {
    this.accepted++;
    const link: Link = { client, server, isForgotten: false };
    this.#links.add(link);
    client.on('data', (chunk) => {
      if (link.isForgotten) abort(client);
      else server.write(chunk);
    });
    if (this.#isStalled) client.pause();
    server.on('data', (chunk) => {
      if (!link.isForgotten) client.write(chunk);
    });
    for (const socket of [client, server]) socket.on('error', () => {});
    client.on('end', () => {
      if (link.isForgotten) client.destroy();
      else server.end();
    });
    server.on('end', () => client.end());
    server.on('close', () => {
      if (!link.isForgotten) client.end(); // a server that was reset says no end
    });
    // Both are known until both are closed.
    const closed = () => void (client.closed && server.closed && this.#links.delete(link));
    for (const socket of [client, server]) socket.on('close', closed);
    client.on('close', () => {
      if (!link.isForgotten) server.end();
    });
  }
}
