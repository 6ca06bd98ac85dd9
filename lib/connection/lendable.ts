// A connection as it is lent: it has one lease at a time, and its borrower is seen through that alone.
import type { PendingStatement } from '../drivers/pending-statement';
import type { QueryOrigin } from '../words/call-site';
import type { ConnectionUser } from './connection-user';
import { Lease } from './lease';
import type { Mutex } from './mutex';
import { StatementQueue } from './statement-queue';

export abstract class Lendable extends StatementQueue {
  lease = new Lease('idle');
  /** A reset has it: what its borrower does with it does not count any more. */
  seized = false;
  idleSince = Date.now();

  lend(askedAt?: QueryOrigin): void {
    this.lease = new Lease('lent', askedAt);
    // That was the earlier borrower's.
    this.lastSql = undefined;
  }

  /** Lent out, as opposed to idle in the pool. */
  get lent(): boolean {
    return this.lease.state !== 'idle';
  }

  /** Its borrower gave it back while a reset had it. */
  get isGivenBack(): boolean {
    return this.lease.state === 'returned';
  }

  get user(): ConnectionUser | undefined {
    return this.lease.user;
  }

  set user(user: ConnectionUser | undefined) {
    this.lease.user = user;
  }

  get mutex(): Mutex {
    return this.lease.mutex;
  }

  whenReturned(): Promise<void> {
    return this.lease.whenEnded();
  }

  /** What its borrower does where a reset has it. */
  givenBack(): void {
    this.lease.end('returned');
  }

  /** It is for the next borrower, or closed. */
  returned(): void {
    this.lease.end('idle');
    this.lease = new Lease('idle');
    this.idleSince = Date.now();
  }

  override ask(statement: PendingStatement): void {
    if (statement.isStream) this.lease.hadStream = true;
    super.ask(statement);
  }

  override refuse(error: Error): void {
    super.refuse(error);
    this.mutex.close(error);
  }

  protected override abandon(error: Error): void {
    super.abandon(error);
    this.mutex.close(error);
  }

  protected override heard(statement: PendingStatement | undefined, error: unknown, result: unknown): unknown {
    if (error !== null && error !== undefined) this.failed(error);
    return this.user && statement && !statement.isOwn ? this.user.answered(statement.sql, error, result) : error;
  }

  /** A statement failed, one of this package's own as well. */
  protected abstract failed(error: unknown): void;
}
