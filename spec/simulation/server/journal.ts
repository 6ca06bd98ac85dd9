// What the server has seen and done, in order: the oracle's evidence, and half of the transcript.
import type { VirtualClock } from '../clock/virtual-clock';

export interface Entry {
  order: number;
  at: number;
  pid: number;
  is: 'connected' | 'received' | 'executed' | 'failed' | 'committed' | 'rolled back' | 'gone' | 'fault';
  text: string;
  /** The workload's name of the statement. */
  token?: number | undefined;
  /** The server's transaction in which it ran. */
  transaction?: number | undefined;
  isExplicit?: boolean | undefined;
}

type Details = Pick<Entry, 'token' | 'transaction' | 'isExplicit'>;

export class Journal {
  readonly entries: Entry[] = [];
  /** What the simulation itself does not know how to do: a gap in it, never a fault of what is tested. */
  readonly gaps: string[] = [];

  constructor(private readonly clock: VirtualClock) {}

  write(pid: number, is: Entry['is'], text: string, details?: Details): void {
    this.entries.push({ order: this.clock.tick(), at: this.clock.now, pid, is, text, ...details });
  }
}
