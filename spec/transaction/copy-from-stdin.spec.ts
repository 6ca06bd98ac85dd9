// COPY … FROM STDIN that nobody ends: the server waits for its data, and takes no CancelRequest meanwhile.
import { expect } from 'chai';
import type { Client, Connection, Submittable } from 'pg';
import { type AtomicTransaction, TransactionTimeoutError } from '../../lib';
import { millisOf, never } from '../support/outcome';
import { later, rejection, useStage } from './stage';

/** As much of pg-copy-streams as is needed here. */
class CopyIn implements Submittable {
  readonly text = 'copy t (id) from stdin';
  error: unknown;
  readonly isOpen: Promise<void>;
  #opened!: () => void;

  constructor() {
    this.isOpen = new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  submit(connection: Connection): void {
    connection.query(this.text);
  }

  handleCopyInResponse(): void {
    this.#opened();
  }

  handleError(error: unknown): void {
    this.error ??= error;
  }

  handleReadyForQuery(): void {}
}

describe('COPY … FROM STDIN that is left open', () => {
  const stage = useStage({ timeoutMillis: 3000 });
  let copy: CopyIn;

  beforeEach(() => {
    copy = new CopyIn();
  });

  async function copyIn(trx: AtomicTransaction): Promise<void> {
    const raw = (await trx.client.acquireConnection()) as Client;
    raw.query(copy);
    await copy.isOpen;
    await trx.client.releaseConnection(raw);
  }

  it('ends at once where the block throws', async () => {
    const thrown = new Error('mine');
    const block = async (trx: AtomicTransaction) => {
      await copyIn(trx);
      throw thrown;
    };
    const millis = await millisOf(rejection(stage.db.atomic(block)).then((error) => expect(error).to.equal(thrown)));
    expect(millis).to.be.lessThan(500);
    expect(copy.error).to.be.an.instanceof(Error);
    await stage.idle();
    expect(stage.db.connectionState().connections).to.include({ idle: 1 });
    expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
  });

  it('ends at once where a limit is reached', async () => {
    const block = (trx: AtomicTransaction) => copyIn(trx).then(never);
    const promise = rejection(stage.db.atomic(block, { timeoutMillis: 100 }));
    expect(await millisOf(promise)).to.be.lessThan(600);
    expect(await promise).to.be.an.instanceof(TransactionTimeoutError);
    expect(copy.error).to.be.an.instanceof(Error);
  });

  it('is ended by a reset without force', async () => {
    const block = later(stage.db.atomic((trx) => copyIn(trx).then(never)));
    await copy.isOpen;
    const report = await stage.db.resetConnection();
    expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
    expect(report.durationMillis).to.be.lessThan(500);
    expect(await rejection(block)).to.include({ code: 'ERR_RESET' });
  });
});
