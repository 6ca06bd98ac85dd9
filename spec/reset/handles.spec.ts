// What can still be done with the handle of a transaction that a reset aborted.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';

describe('resetConnection()', () => {
  const stage = useStage();
  let trx: Knex.Transaction;
  let transcript: WireTranscript;

  before(() => stage.database.query('create table t (id int primary key)'));

  async function abortedHandle(): Promise<void> {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await trx('t').insert({ id: 1 });
    transcript = new WireTranscript(proxy);
    await db.resetConnection();
    await db.raw('select 1');
    transcript.clear();
  }

  describe('leaves the handle of an aborted transaction', () => {
    beforeEach(abortedHandle);

    it('whose builders reject with ResetError', async () => {
      expect(await failure(trx('t').select())).to.be.an.instanceof(ResetError);
      expect(await failure(trx.raw('select 1'))).to.be.an.instanceof(ResetError);
      expect(await failure(trx.schema.createTable('u', () => {}))).to.be.an.instanceof(ResetError);
    });

    it('whose streams fail with ResetError', async () => {
      const read = async () => {
        for await (const row of trx('t').select().stream()) void row;
      };
      expect(await failure(read())).to.be.an.instanceof(ResetError);
    });

    it('whose nested transactions reject with ResetError', async () => {
      expect(await failure(trx.transaction((inner) => inner('t').insert({ id: 2 })))).to.be.an.instanceof(ResetError);
    });

    it('whose commit() rejects with ResetError', async () => {
      expect(await failure(trx.commit())).to.be.an.instanceof(ResetError);
      expect(await failure(trx.commit())).to.be.an.instanceof(ResetError);
    });

    it('whose rollback() resolves', async () => {
      await trx.rollback();
      await trx.rollback(new Error('too late'));
      expect(await failure(trx.executionPromise)).to.be.an.instanceof(ResetError);
    });

    it('that is completed', () => {
      expect(trx.isCompleted()).to.be.true;
    });

    it('that sends nothing more to the server', async () => {
      await failure(trx('t').insert({ id: 2 }));
      await failure(trx.commit());
      await trx.rollback();
      expect(transcript.sql).to.be.empty;
      expect(await stage.database.query('select id from t')).to.be.empty;
    });
  });
});
