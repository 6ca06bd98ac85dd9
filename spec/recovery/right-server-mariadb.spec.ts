// `targetSessionAttrs` on a MariaDB with `read_only`.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { whyNoMariadb } from '../support/mariadb-server';
import { useMysqlStage } from '../support/mysql-stage';
import { failure } from '../support/outcome';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `targetSessionAttrs with ${client}`, () => {
    const stage = useMysqlStage();

    const setReadOnly = (value: 0 | 1) => stage.rows(`set global read_only = ${value}`);
    const make = (wanted: 'read-write' | 'read-only', config: Knex.Config = {}) =>
      stage.resettable(client, config, { targetSessionAttrs: wanted });

    it('accepts a server of the kind that was asked for', async () => {
      await make('read-write').raw('select 1');
      await setReadOnly(1);
      await make('read-only').raw('select 1');
    });

    it('closes a connection to another kind, and names both kinds', async () => {
      const db = make('read-only');
      expect(await failure(db.raw('select 1'))).to.match(/expected a 'read-only' server, but 127.*is 'read-write'$/);
      await setReadOnly(1);
      const error = await failure(make('read-write').raw('select 1'));
      expect(error)
        .to.match(/expected a 'read-write' server, but 127.*is 'read-only'$/)
        .and.include({ code: '08001' });
      await stage.whenDeserted();
    });

    it('fails a refused statement once: the idle connections are closed, and a block with retry succeeds', async () => {
      const db = make('read-write', { pool: { min: 0, max: 3 } });
      await Promise.all([1, 2, 3].map(() => db.raw('select sleep(0.05)')));
      await setReadOnly(1);
      expect(await failure(db('t').insert({ id: 1 }))).to.include({ errno: 1290 });
      expect(db.connectionState().connections.idle).to.equal(0);

      await setReadOnly(0);
      await db.raw('select 1');
      await setReadOnly(1);
      let attempts = 0;
      await db.atomic(
        async (trx) => {
          attempts++;
          await trx('t').insert({ id: 1 });
        },
        { retry: { attempts: 30, maxDelayMillis: 20 }, hooks: { onRetry: () => setReadOnly(0) } },
      );
      expect(attempts).to.equal(2);
    });

    it('changes nothing in a readOnly transaction', async () => {
      const db = make('read-write', { pool: { min: 0, max: 1 } });
      expect(await failure(db.transaction((trx) => trx('t').insert({ id: 1 }), { readOnly: true }))).to.include({
        errno: 1792,
      });
      await until('its connection is back', () => db.connectionState().connections.idle === 1);
    });
  });
}
