// This package's own statements on MySQL are read as they are meant, whatever the user has set for the connection.
import { expect } from 'chai';
import { emptyTables } from '../../lib/testing';
import { whyNoMariadb } from '../support/mariadb-server';
import { Middlebox } from '../support/middlebox';
import { useMysqlStage } from '../support/mysql-stage';
import { failure, outcome } from '../support/outcome';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

type Next = () => unknown;
/** 0 and 1 become booleans, and all else the text that it is. */
function booleans(_field: unknown, next: Next): unknown {
  const value = next();
  return value === 1 || value === '1' ? true : value === 0 || value === '0' ? false : value;
}

const SETTINGS: [name: string, settings: object][] = [
  ['typeCast: a function', { typeCast: booleans }],
  ['typeCast: false', { typeCast: false }],
  ['rowsAsArray', { rowsAsArray: true }],
  ['nestTables', { nestTables: true }],
  ['nestTables: a separator', { nestTables: '_' }],
  ['bigNumberStrings', { supportBigNumbers: true, bigNumberStrings: true }],
];

/** One for each time: what a collation is called is asked once a process. */
const COLLATIONS =
  'ICELANDIC LATVIAN ROMANIAN SLOVENIAN POLISH ESTONIAN SPANISH SWEDISH TURKISH CZECH DANISH LITHUANIAN'
    .split(' ')
    .map((language) => `UTF8_${language}_CI`);

for (const client of ['mysql2', 'mysql']) {
  describeUnless(reason, `own statements with ${client}`, () => {
    const stage = useMysqlStage();

    const make = (settings: object, options = {}) =>
      stage.resettable(client, { connection: { ...stage.connection, ...settings } }, options);

    it('a session that a middlebox has forgotten is ended', async () => {
      const { host, port } = stage.connection;
      const middlebox = await Middlebox.to({ host, port });
      try {
        const db = make({ nestTables: true, port: middlebox.port });
        const sleeping = outcome(db.raw('select sleep(30)'));
        await stage.running('sleep(30)');
        middlebox.forget();
        await db.resetConnection();
        await stage.whenDeserted();
        await sleeping;
      } finally {
        await middlebox.close();
      }
    });

    for (const [name, settings] of SETTINGS) {
      describe(`with ${name}`, () => {
        const targeting = (targetSessionAttrs: 'read-write' | 'read-only') => make(settings, { targetSessionAttrs });

        it('targetSessionAttrs tells what the server is', async () => {
          await targeting('read-write').raw('select 1');
          expect(await failure(targeting('read-only').raw('select 1'))).to.match(/'read-write'$/);
          await stage.rows('set global read_only = 1');
          await targeting('read-only').raw('select 1');
        });

        it('a recycled connection has the collation that it was opened with', async () => {
          const collation = COLLATIONS.pop() as string;
          const db = make({ ...settings, charset: collation });
          await db.raw('select 1');
          expect((await db.resetConnection({ connections: 'recycle' })).recycledConnections).to.equal(1);
          await db.raw('insert into t select 1, lower(@@collation_connection) like ?', [`%${collation.slice(5)}`]);
          expect(await stage.rows('select value from t')).to.deep.equal([{ value: 1 }]);
        });

        it('emptyTables empties what holds rows', async () => {
          const db = make(settings);
          await stage.rows('insert into t (id) values (1)');
          expect(await emptyTables(db)).to.deep.equal(['t']);
          expect(await stage.rows('select * from t')).to.deep.equal([]);
        });
      });
    }
  });
}
