// How the specs get to their PostgreSQL server: SPEC_WAY names one way for all of them.
import fs from 'node:fs';
import net from 'node:net';

/** `tls` goes with SCRAM; a `stream` factory is what connectors of managed databases give: only it knows the address. */
export type Way = 'tcp' | 'tls' | 'socket' | 'stream';

const WAYS: readonly string[] = ['tcp', 'tls', 'socket', 'stream'] satisfies Way[];

export interface Address {
  host: string;
  port: number;
}

/** A factory of unconnected sockets that go to one address, whatever they are told. */
export interface Connector {
  (): net.Socket;
  readonly address: Address;
}

/** The part of pg's connection parameters that depends on the way. */
export type WayParameters =
  | Address
  | (Address & { ssl: { ca: string } })
  | { host: undefined; port: undefined; stream: Connector };

export function wayOfRun(): Way {
  const way = process.env.SPEC_WAY ?? 'tcp';
  if (!WAYS.includes(way)) throw new Error(`SPEC_WAY is ${way}, expected one of ${WAYS.join(', ')}`);
  return way as Way;
}

/** The way of this run to a server that listens at the address, and in the folder. */
export function parametersFor(address: Address, socketFolder: string): WayParameters {
  const way = wayOfRun();
  if (way === 'socket') return { host: socketFolder, port: address.port };
  if (way === 'stream') return { host: undefined, port: undefined, stream: connectorTo(address) };
  if (way === 'tls') return { ...address, ssl: { ca: certificate() } };
  return address;
}

export function connectorTo(address: Address): Connector {
  return Object.assign(() => new ConnectorSocket(address), { address });
}

class ConnectorSocket extends net.Socket {
  readonly #address: Address;

  constructor(address: Address) {
    super();
    this.#address = address;
  }

  override connect(...args: unknown[]): this {
    const listener = args.at(-1);
    super.connect(this.#address);
    if (typeof listener === 'function') this.once('connect', listener as () => void);
    return this;
  }
}

/** Connects to where such parameters lead. */
export function connectTo(target: Partial<Address> & { stream?: Connector }): net.Socket {
  const { host = '127.0.0.1', port = 5432 } = target.stream?.address ?? target;
  const options = { allowHalfOpen: true, noDelay: true };
  return host.startsWith('/')
    ? net.connect({ path: `${host}/.s.PGSQL.${port}`, ...options })
    : net.connect({ host, port, ...options });
}

/** The server's own, which nobody else has signed. */
function certificate(): string {
  const file = process.env.SPEC_CERTIFICATE;
  if (!file) throw new Error('SPEC_CERTIFICATE is not set: the global setup sets it to the file of its server');
  return fs.readFileSync(file, 'utf8');
}
