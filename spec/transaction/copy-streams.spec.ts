// COPY as a stream, as pg-copy-streams has it: it is no cursor, and the server describes no rows of it.
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import type { Client, Connection } from 'pg';
import type { AtomicTransaction } from '../../lib';
import { useStage, rejection } from './stage';

type Wire = Connection & { sendCopyFail(reason: string): void };

class CopyFrom extends Writable {
  readonly text = 'copy t (id) from stdin';
  #wire: Wire | undefined;
  #destroyed: ((error: Error) => void) | undefined;

  submit(wire: Connection): void {
    this.#wire = wire as Wire;
    wire.query(this.text);
  }

  handleCopyInResponse(): void {
    this.emit('opened');
  }

  /** It has ended when the server says so. */
  override _destroy(reason: Error, done: (error: Error) => void): void {
    this.#destroyed = done;
    this.#wire?.sendCopyFail(reason.message);
  }

  handleError(error: Error): void {
    this.#destroyed?.(error);
  }

  handleReadyForQuery(): void {}
}

class CopyTo extends Readable {
  readonly text = 'copy t to stdout';

  submit(wire: Connection): void {
    wire.query(this.text);
  }

  override _read(): void {}

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.push(chunk);
  }

  handleError(error: Error): void {
    this.destroy(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.push(null);
  }
}

describe('a COPY as a stream', () => {
  const stage = useStage();

  async function inBlock<T>(work: (raw: Client) => Promise<T>): Promise<T> {
    return stage.db.atomic(async (trx: AtomicTransaction) => {
      await trx.raw('insert into t values (1), (2)');
      const raw = (await trx.client.acquireConnection()) as Client;
      try {
        return await work(raw);
      } finally {
        await trx.client.releaseConnection(raw);
      }
    });
  }

  it('is closed when it is read', async () => {
    let text = '';
    const sink = new Writable({
      write(chunk, _, done) {
        text += String(chunk);
        done();
      },
    });
    await inBlock((raw) => pipeline(raw.query(new CopyTo()), sink));
    expect(text).to.equal('1\n2\n');
  });

  it('is told of a limit that is reached before it is sent', async () => {
    const copy = new CopyFrom();
    const told = once(copy, 'close').then(
      () => undefined,
      (error: unknown) => error,
    );
    const block = async (trx: AtomicTransaction) => {
      const raw = (await trx.client.acquireConnection()) as Client;
      trx.raw('select pg_sleep(10)').catch(() => {});
      await stage.running(/pg_sleep/);
      await pipeline(new Readable({ read() {} }), raw.query(copy)).finally(() => trx.client.releaseConnection(raw));
    };
    expect(await rejection(stage.db.atomic(block, { timeoutMillis: 200 }))).to.include({
      code: 'ERR_TRANSACTION_TIMEOUT',
    });
    expect(await told).to.be.an.instanceof(Error);
  });

  it('is stopped where its source fails, which is what the block rejects with', async () => {
    const error = new Error('of the source');
    const failing = inBlock(async (raw) => {
      const copy = raw.query(new CopyFrom());
      await once(copy, 'opened');
      const source = new Readable({ read: () => void source.destroy(error) });
      await pipeline(source, copy);
    });
    expect(await rejection(failing)).to.equal(error);
    await stage.idle();
    expect(stage.db.connectionState().connections).to.include({ idle: 1 });
    expect(await stage.ids()).to.deep.equal([]);
    expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
  });
});
