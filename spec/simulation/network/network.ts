// The simulated network between one process and one server: it makes the links, and keeps those that are in use.
import type { VirtualClock } from '../clock/virtual-clock';
import { Random } from '../random';
import type { Setting } from '../schedule/schedule';
import { Link } from './link';
import { SimulatedSocket } from './socket';

/** The server's side of the network. */
export interface Listener {
  /** `refused`: nobody listens. `silent`: the packets are lost. */
  readonly reachability: 'open' | 'refused' | 'silent';
  accept(link: Link): void;
}

export class Network {
  readonly #sockets = new Map<SimulatedSocket, Link | undefined>();
  #count = 0;

  constructor(
    private readonly clock: VirtualClock,
    private readonly listener: Listener,
    private readonly seed: number,
    private readonly setting: Pick<Setting, 'fragmentation' | 'slowLinks' | 'way'>,
  ) {}

  socket(way: 'factory' | 'address'): SimulatedSocket {
    const socket = new SimulatedSocket(this, way);
    this.#sockets.set(socket, undefined);
    return socket;
  }

  /** Those that are connected, oldest first. */
  get links(): Link[] {
    return [...this.#sockets.values()].filter((link): link is Link => link !== undefined);
  }

  /** Those that the process has not closed. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  connect(socket: SimulatedSocket): void {
    this.#count += 1;
    const random = Random.keyed(this.seed, 'link', this.#count);
    const { fragmentation, slowLinks = 0, way } = this.setting;
    const link = new Link(this.clock, random, this.#count, fragmentation);
    if (slowLinks > 0 && random.chance(slowLinks)) link.slownessMillis = random.between(2, 40);
    this.clock.input(random.between(0.05, 0.4), () => {
      if (socket.destroyed) return;
      // An address is nobody's where the server is reached through a factory only.
      if (socket.way === 'address' && way === 'factory') socket.refused('ECONNREFUSED');
      else if (this.listener.reachability === 'refused') socket.refused('ECONNREFUSED');
      else if (this.listener.reachability === 'open') {
        this.#sockets.set(socket, link);
        this.listener.accept(link);
        socket.connected(link);
      }
    });
  }

  /** The socket is closed. */
  forgotten(socket: SimulatedSocket): void {
    this.#sockets.delete(socket);
  }
}
