// A TCP proxy in front of one server, whose links can be hurt while they are in use, at an exact message if need be.
import { once } from 'node:events';
import net from 'node:net';
import { type FrontendMessage, FrontendMessages } from './frontend-messages';
import { type Direction, ProxyLink } from './proxy-link';
import { connectorTo, connectTo, type Connector } from './way';

/** `reject` resets new links; the black holes swallow bytes and ends, in one direction or both, and keep links open. */
export type ProxyMode = 'pass' | 'reject' | 'blackhole' | 'blackhole-up' | 'blackhole-down';

export type MessageListener = (message: FrontendMessage, link: ProxyLink) => void;

/** A fault that waits for its message. */
export interface Fault {
  /** How often it has struck. */
  readonly hits: number;
}

interface ArmedFault {
  match: string | RegExp;
  moment: 'before' | 'after';
  act: (link: ProxyLink) => void;
  left: number;
  hits: number;
}

export interface FaultOptions {
  /** How many messages it strikes. @default 1 */
  times?: number;
}

interface Target {
  host?: string | undefined;
  port?: number | undefined;
  stream?: Connector;
  /** `raw` for servers that do not speak PostgreSQL: every piece that arrives counts as a message. */
  protocol?: 'postgres' | 'raw';
}

/** ReadyForQuery: a type, a length of four bytes, the transaction's status. */
const READY_BYTES = 6;

export class FaultProxy {
  mode: ProxyMode = 'pass';
  /** Added to every piece, in both directions. */
  delayMillis = 0;
  /** Added between an answer of PostgreSQL's and the word behind it that it is ready again: an error is sent before that. */
  readyDelayMillis = 0;
  /** Links ever opened. */
  accepted = 0;
  readonly #target: Target;
  readonly #server: net.Server;
  readonly #links = new Set<ProxyLink>();
  readonly #faults: ArmedFault[] = [];
  readonly #listeners: MessageListener[] = [];
  #thawed: Promise<void> | undefined;
  #thaw = () => {};

  static async to(target: Target): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(target: Target) {
    this.#target = target;
    const options = { allowHalfOpen: true, noDelay: true };
    this.#server = net.createServer(options, (client) => this.#accept(client)).listen(0, '127.0.0.1');
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Links open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** The same connection parameters, by way of this proxy, which reads what is sent: so without TLS. */
  through<C extends object>(connection: C): C & { host: string; port: number } {
    const address = { host: '127.0.0.1', port: this.port };
    if ('stream' in connection) return { ...connection, stream: connectorTo(address) } as never;
    return { ...connection, ssl: undefined, ...address };
  }

  /** Calls back for each message from a client that is handed on to the server. */
  onMessage(listener: MessageListener): void {
    this.#listeners.push(listener);
  }

  /** Cuts the link instead of handing on a message whose latin1 text matches. */
  cutBefore(match: string | RegExp, options?: FaultOptions): Fault {
    return this.#arm('before', match, (link) => link.cut(), options);
  }

  /** Cuts the link once such a message was handed on: the server acts on it, the client never hears. */
  cutAfter(match: string | RegExp, options?: FaultOptions): Fault {
    return this.#arm('after', match, (link) => link.cut(), options);
  }

  /** Hands such a message on and from then on swallows what the server sends over that link. */
  swallowAnswersAfter(match: string | RegExp, options?: FaultOptions): Fault {
    return this.#arm('after', match, (link) => link.swallowAnswers(), options);
  }

  /** Holds everything back, in both directions, until `thaw()`. */
  freeze(): void {
    this.#thawed ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  thaw(): void {
    this.#thaw();
    this.#thawed = undefined;
  }

  /** RST to both sides of every link. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** FIN to both sides of every link. */
  fin(): void {
    for (const link of this.#links) link.fin();
  }

  /** Resets all links; connecting is refused afterwards. */
  async close(): Promise<void> {
    this.thaw();
    this.reset();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #arm(moment: ArmedFault['moment'], match: string | RegExp, act: ArmedFault['act'], options?: FaultOptions): Fault {
    const fault = { match, moment, act, left: options?.times ?? 1, hits: 0 };
    this.#faults.push(fault);
    return fault;
  }

  #accept(client: net.Socket): void {
    this.accepted++;
    if (this.mode === 'reject') {
      client.resetAndDestroy();
      return;
    }
    const link = new ProxyLink(client, connectTo(this.#target));
    const messages = this.#target.protocol === 'raw' ? undefined : new FrontendMessages();
    this.#links.add(link);
    const up = this.#pump('up', link, async (chunk) => {
      for (const message of messages?.split(chunk) ?? [{ type: 'raw', bytes: chunk }])
        await this.#handOn(message, link);
    });
    const down = this.#pump('down', link, (chunk) => this.#answer(chunk, link));
    void Promise.all([up, down, link.closed]).then(() => this.#links.delete(link));
  }

  async #pump(direction: Direction, link: ProxyLink, handOn: (chunk: Buffer) => Promise<void>): Promise<void> {
    const end = await link.pump(direction, async (chunk) => {
      if (this.delayMillis > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMillis));
      await this.#thawed;
      if (!this.#swallows(direction, link)) await handOn(chunk);
    });
    await this.#thawed;
    if (!this.#swallows(direction, link)) link.passOn(direction, end);
  }

  async #handOn(message: FrontendMessage, link: ProxyLink): Promise<void> {
    if (link.isCut) return; // by the message before, in the same piece
    this.#strike('before', message, link);
    if (link.isCut) return;
    for (const listener of this.#listeners) listener(message, link);
    const sent = link.send('up', message.bytes);
    this.#strike('after', message, link); // before the answer can come
    await sent;
  }

  async #answer(chunk: Buffer, link: ProxyLink): Promise<void> {
    const isReady = chunk.length >= READY_BYTES && chunk.at(-READY_BYTES) === 'Z'.charCodeAt(0);
    if (this.readyDelayMillis === 0 || !isReady) return link.send('down', chunk);
    if (chunk.length > READY_BYTES) await link.send('down', chunk.subarray(0, -READY_BYTES));
    await new Promise((resolve) => setTimeout(resolve, this.readyDelayMillis));
    await link.send('down', chunk.subarray(-READY_BYTES));
  }

  #strike(moment: ArmedFault['moment'], { bytes }: FrontendMessage, link: ProxyLink): void {
    const text = bytes.toString('latin1');
    for (const fault of this.#faults) {
      const { match } = fault;
      if (fault.moment !== moment || fault.left === 0) continue;
      if (typeof match === 'string' ? !text.includes(match) : text.search(match) < 0) continue;
      fault.left--;
      fault.hits++;
      fault.act(link);
    }
  }

  #swallows(direction: Direction, link: ProxyLink): boolean {
    return this.mode === 'blackhole' || this.mode === `blackhole-${direction}` || link.swallows(direction);
  }
}
