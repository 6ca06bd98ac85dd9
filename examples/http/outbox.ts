// Sends what is in the outbox, at least once each: also what was left there by a process that was killed.
import type { Db } from './db';

type Send = (orderId: number) => Promise<void>;

export class Outbox {
  readonly #db: Db;
  readonly #send: Send;
  #sending: Promise<void> | undefined;
  #isAwake = false;

  constructor(db: Db, send: Send) {
    this.#db = db;
    this.#send = send;
  }

  /** There may be something to send. Waits for nothing, and never throws: an order that is stored has not failed for a mail. */
  wake(): void {
    this.#isAwake = true;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Resolves when nothing is being sent. */
  async rest(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#isAwake) {
        this.#isAwake = false;
        while ((await this.#sendSome()) > 0);
      }
    } catch (error) {
      console.error('the outbox goes on with the next order:', error);
    }
  }

  #sendSome(): Promise<number> {
    const db = this.#db;
    const work = async () => {
      const rows = await db<{ id: number; order_id: number }>('outbox')
        .whereNull('sent_at')
        .orderBy('id')
        .limit(50)
        .forUpdate()
        .skipLocked();
      for (const { order_id } of rows) await this.#send(order_id);
      const ids = rows.map(({ id }) => id);
      await db('outbox').whereIn('id', ids).update({ sent_at: db.fn.now() });
      return rows.length;
    };
    return db.atomic(work, { label: 'outbox', retry: 3 });
  }
}
