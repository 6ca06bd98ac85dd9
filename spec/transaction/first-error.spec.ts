// The first error is the one that comes out, and names what the server said; later ones are attached to it.
import { expect } from 'chai';
import { ResetError, TransactionFailedError } from '../../lib';
import { until } from '../support/until';
import { type AnyError, later, pidOf, rejection, useStage } from './stage';

describe('the error of a transaction', () => {
  const stage = useStage();

  for (const form of ['transaction', 'atomic'] as const) {
    describe(`made with db.${form}()`, () => {
      const run = (body: (trx: Parameters<Parameters<typeof stage.db.transaction>[0]>[0]) => Promise<unknown>) =>
        stage.db[form](body as never) as Promise<unknown>;

      it('is what the callback threw, even if it is no Error', async () => {
        let thrown: unknown;
        await run(async () => {
          throw 'just text';
        }).catch((error: unknown) => {
          thrown = error;
        });
        expect(thrown).to.equal('just text');
        expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
      });

      it('is in the cause of an error with 25P02', async () => {
        let first: AnyError | undefined;
        const error = await rejection(
          run(async (trx) => {
            first = await rejection(trx.raw('select 1/0'));
            await trx.raw('select 1');
          }),
        );
        expect(error).to.include({ code: '25P02' });
        expect(error.cause).to.equal(first);
      });

      it('is what the callback threw, also when ROLLBACK is never sent', async () => {
        const mine = new Error('mine');
        const fault = stage.proxy.cutBefore(/ROLLBACK/);
        const error = await rejection(run(() => Promise.reject(mine)));
        expect(error).to.equal(mine);
        expect(fault.hits).to.equal(1);
        expect(error.suppressed).to.have.lengthOf(1);
        expect(error.suppressed?.[0]).to.be.an('error');
        await stage.idle();
        expect(stage.db.connectionState().connections).to.include({ idle: 0, inUse: 0 });
      });

      it('is what the callback threw, also when the connection died before', async () => {
        const mine = new Error('mine');
        let killed: AnyError | undefined;
        const error = await rejection(
          run(async (trx) => {
            const pid = await pidOf(trx);
            void stage.running(/pg_sleep/).then(() => stage.database.terminate(pid));
            killed = await rejection(trx.raw('select pg_sleep(10)'));
            throw mine;
          }),
        );
        expect(error).to.equal(mine);
        expect(killed).to.include({ code: '57P01' });
        expect(stage.db.connectionState().connections).to.include({ idle: 0, inUse: 0 });
      });

      it('is the server’s own FATAL for a backend that was killed in a query', async () => {
        const error = await rejection(
          run(async (trx) => {
            const pid = await pidOf(trx);
            const query = trx.raw('select pg_sleep(10)');
            await Promise.all([query, stage.running(/pg_sleep/).then(() => stage.database.terminate(pid))]);
          }),
        );
        expect(error).to.include({ code: '57P01' });
      });

      it('is the server’s own FATAL for a backend that was killed between two queries', async () => {
        const error = await rejection(
          run(async (trx) => {
            await stage.database.terminate(await pidOf(trx));
            await trx.raw('select 1');
          }),
        );
        expect([error.code, error.cause?.code]).to.include('57P01');
      });

      it('is 25P03 when it was idle for too long', async () => {
        const error = await rejection(
          run(async (trx) => {
            await trx.raw('set idle_in_transaction_session_timeout = 20');
            await new Promise(() => {});
          }),
        );
        expect([error.code, error.cause?.code]).to.include('25P03');
      });

      it('is the first of several that were swallowed', async () => {
        let first: AnyError | undefined;
        const error = await rejection(
          run(async (trx) => {
            first = await rejection(trx.raw('select 1/0'));
            await rejection(trx.raw('select 2/0'));
          }),
        );
        expect(error).to.be.instanceOf(TransactionFailedError);
        expect(error.cause).to.equal(first);
      });

      it('has no bindings in it', async () => {
        const error = await rejection(
          run(async (trx) => {
            await trx.raw('select ?::int', ['s3cret']).catch(() => {});
          }),
        );
        const { message, stack, code } = error;
        expect(`${message} ${stack}`).not.to.include('s3cret');
        expect(code).to.equal('ERR_TRANSACTION_FAILED');
      });
    });
  }

  it('is not attached to a frozen object, and that causes no other error', async () => {
    const frozen = Object.freeze(new Error('frozen'));
    stage.proxy.cutBefore(/ROLLBACK/);
    expect(await rejection(stage.db.transaction(() => Promise.reject(frozen)))).to.equal(frozen);
  });

  describe("is the user's own", () => {
    it('where a reset comes while a block is rolled back for it, with nothing written into it', async () => {
      const controller = new AbortController();
      const mine = new Error('mine');
      let ofQuery: AnyError | undefined;
      const block = stage.db.atomic(
        async (trx) => {
          const query = trx.raw('select pg_sleep(30), ?::text', ['s3cret']);
          ofQuery = await rejection(query);
          throw ofQuery;
        },
        { signal: controller.signal },
      );
      const error = rejection(block);
      await stage.running(/pg_sleep/);
      controller.abort(mine);
      await stage.db.resetConnection();
      expect(await error).to.equal(mine);
      expect(mine.message).to.equal('mine');
      expect(ofQuery).to.be.instanceOf(ResetError);
    });

    it('and is not given to what waits behind a raw ROLLBACK', async () => {
      const mine = new Error('mine');
      let waiting: Promise<AnyError> | undefined;
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          const ending = later(trx.raw('select pg_sleep(0.1); rollback'));
          waiting = rejection(trx.raw('select ?::text', ['s3cret']));
          await trx.atomic(() => Promise.reject(mine), { savepoint: false }).catch(() => {});
          await ending;
        }),
      );
      expect(error).to.have.property('code').that.is.oneOf(['ERR_TRANSACTION_FAILED', 'ERR_BLOCK_CONTROL']);
      expect(await waiting)
        .to.be.instanceOf(TransactionFailedError)
        .and.to.have.property('cause', mine);
      expect(mine.message).to.equal('mine');
    });
  });

  it('of statements that a rollback has dropped has no bindings in it', async () => {
    const dropped: AnyError[] = [];
    await rejection(
      stage.db.atomic(async (trx) => {
        void rejection(trx.raw('select pg_sleep(30)'));
        // Knex shows the binding where an operator has a question mark.
        for (const secret of ['s3cret', 's4cret'])
          void rejection(trx.raw("select '{}'::jsonb \\? ?", [secret])).then((error) => dropped.push(error));
        await stage.running(/pg_sleep/);
        throw new Error('mine');
      }),
    );
    await until('they are told', () => dropped.length === 2);
    for (const { message } of dropped)
      expect(message)
        .to.match(/already complete/)
        .and.not.to.match(/s[34]cret/);
  });
});
