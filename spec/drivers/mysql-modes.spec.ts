// What a transaction is begun as on MySQL and MariaDB: isolation level, read-only or not.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage, type ResettableKnex } from '../support/mysql-stage';
import { failure } from '../support/outcome';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `a transaction begun through ${client}`, () => {
    const stage = useMysqlStage();
    let db: ResettableKnex;
    let sent: string[];
    beforeEach(() => {
      db = stage.resettable(client, { pool: { min: 0, max: 1 } });
      sent = [];
      db.on('query', ({ sql }: { sql: string }) => sent.push(sql));
    });

    const write = (trx: Knex) => trx('t').insert({ id: 1 });
    const begun = () => sent.splice(0).filter((sql) => /^(set|begin|start)/i.test(sql));

    for (const kind of ['atomic', 'transaction'] as const)
      it(`is read-only and has an isolation level at once, by db.${kind}()`, async () => {
        const modes = { readOnly: true, isolationLevel: 'serializable' } as const;
        expect(await failure(db[kind](write, modes))).to.include({ errno: 1792 });
        expect(begun()).to.deep.equal(['SET TRANSACTION ISOLATION LEVEL serializable, READ ONLY;', 'BEGIN;']);
        expect(await db[kind]((trx: Knex) => trx('t').count({ n: '*' }), modes)).to.deep.equal([{ n: 0 }]);
        await write(db);
      });

    it('writes where the session’s are read-only, if a block asks for that', async () => {
      await db.raw('set session transaction read only');
      sent = [];
      expect(await failure(db.atomic(write))).to.include({ errno: 1792 });
      expect(await failure(db.transaction(write, { readOnly: false }))).to.include({ errno: 1792 });
      expect(begun()).to.deep.equal(['BEGIN;', 'BEGIN;']);
      await db.atomic(write, { readOnly: false });
      expect(begun()).to.deep.equal(['SET TRANSACTION READ WRITE;', 'BEGIN;']);
    });

    it('is never deferrable', async () => {
      await db.atomic(write, { deferrable: false });
      expect(begun()).to.deep.equal(['BEGIN;']);
      expect(await failure(db.atomic(write, { deferrable: true }))).to.be.instanceOf(TypeError);
    });
  });
}
