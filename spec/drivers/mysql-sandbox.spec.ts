// Sandboxes on MySQL and MariaDB, where each statement of the sandbox's own is sent by itself.
import { expect } from 'chai';
import { type Sandbox, SandboxError } from '../../lib';
import { registeredOf } from '../../lib/registry';
import { nestSandbox } from '../../lib/sandbox/sandbox';
import { failure } from '../support/outcome';
import { whyNoMariadb } from '../support/mariadb-server';
import { MysqlStage, type ResettableKnex } from '../support/mysql-stage';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `a sandbox through ${client}`, () => {
    const stage = new MysqlStage();
    let db: ResettableKnex;
    let sandbox: Sandbox;

    before(() => stage.open());
    beforeEach(async () => {
      db = stage.resettable(client, { acquireConnectionTimeout: 1000, pool: { min: 0, max: 3 } });
      sandbox = await db.openSandbox();
      await db('t').insert({ id: 1 });
    });
    afterEach(async () => {
      await sandbox.close();
      expect(await stage.rows('select id from t')).to.be.empty;
      await stage.clear();
    });
    after(() => stage.close());

    const ids = () => db('t').pluck('id').orderBy('id') as Promise<number[]>;

    it('works after a statement that fails, and undoes a block that fails', async () => {
      expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: 'ER_DUP_ENTRY' });
      await db.transaction((trx) => trx('t').insert({ id: 2 }));
      const failing = db.atomic(async (trx) => {
        await trx('t').insert({ id: 3 });
        throw new Error('no');
      });
      expect((await failure(failing)).message).to.equal('no');
      expect(await ids()).to.deep.equal([1, 2]);
    });

    it('allows a nested sandbox, which undoes its own work', async () => {
      const inner = await nestSandbox(registeredOf('spec', db), sandbox, {});
      await db('t').insert({ id: 2 });
      await db.transaction((trx) => trx('t').insert({ id: 3 }));
      expect(await inner.close()).to.deep.equal({ transactions: [], queries: [] });
      expect(await ids()).to.deep.equal([1]);
    });

    it('bounds the wait beside a connection that is held by hand', async () => {
      const raw = (await db.client.acquireConnection()) as object;
      expect(await failure(db('t'))).to.be.instanceOf(SandboxError);
      await db.client.releaseConnection(raw);
      expect(await ids()).to.deep.equal([1]);
    });

    it('runs transactions and queries that were started together in turns', async () => {
      const work = [2, 3, 4].map((id) =>
        db.transaction(async (trx) => {
          await trx('t').insert({ id });
          await db('t').insert({ id: 10 * id });
        }),
      );
      await Promise.all([...work, db('t').insert({ id: 5 })]);
      expect(await ids()).to.deep.equal([1, 2, 3, 4, 5, 20, 30, 40]);
    });

    it('may be one of several at once when they are not pinned', async () => {
      await sandbox.close();
      const [one, other] = [await db.openSandbox({ pinned: false }), await db.openSandbox({ pinned: false })];
      await one.run(() => db('t').insert({ id: 7 }));
      expect(await one.run(ids)).to.deep.equal([7]);
      expect(await other.run(ids)).to.be.empty;
      await one.close();
      await other.close();
    });
  });
}
