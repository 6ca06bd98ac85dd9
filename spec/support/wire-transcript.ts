// What clients really sent to PostgreSQL through a fault proxy: the SQL in order, the cancel requests, the farewells.
import type { FaultProxy } from './fault-proxy';
import { cancelledPid, type FrontendMessage, sqlOf } from './frontend-messages';
import type { ProxyLink } from './proxy-link';

export interface LinkTranscript {
  sql: string[];
  /** Whether the client said goodbye (Terminate) instead of just closing. */
  terminated: boolean;
}

/** Records from its construction on; only messages that the proxy handed on. */
export class WireTranscript {
  /** The SQL of simple queries and Parses over all links, in the order sent; a named statement's only where it is parsed. */
  sql: string[] = [];
  /** Process ids named by CancelRequests. */
  cancelled: number[] = [];
  #links = new Map<ProxyLink, LinkTranscript>();

  constructor(proxy: FaultProxy) {
    proxy.onMessage((message, link) => this.#record(message, link));
  }

  /** One for each link that sent something since the last `clear()`, oldest first. */
  get links(): LinkTranscript[] {
    return [...this.#links.values()];
  }

  clear(): void {
    this.sql = [];
    this.cancelled = [];
    this.#links.clear();
  }

  #record(message: FrontendMessage, link: ProxyLink): void {
    const pid = cancelledPid(message);
    if (pid !== undefined) this.cancelled.push(pid);
    const sql = sqlOf(message);
    if (sql === undefined && message.type !== 'X') return;

    const own = this.#links.get(link) ?? { sql: [], terminated: false };
    this.#links.set(link, own);
    if (message.type === 'X') own.terminated = true;
    if (sql === undefined) return;
    own.sql.push(sql);
    this.sql.push(sql);
  }
}
