// That the list of a full pool's holders shows no bindings, passwords or connection strings.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { type FullPoolError, narrow, shown } from './stage';

const BINDING = 'top-secret-binding';
const PASSWORD = 'top-secret-password';

describe('the error of a full pool', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (secret text)'));
  beforeEach(() => {
    const connection = { ...stage.database.connection, password: PASSWORD };
    db = stage.resettable({ ...narrow(1), connection, compileSqlOnError: true }, { leakAfterMillis: 60_000 });
  });

  const holders: Record<string, (of: Knex) => PromiseLike<unknown>> = {
    'a query': (of) => of('t').insert({ secret: of.raw("coalesce(pg_sleep(30)::text, '') || ?", [BINDING]) }),
    'a transaction': (of) => of.transaction((trx) => trx('t').insert({ secret: BINDING }).then(never)),
    'a transaction whose statement failed': (of) =>
      of.transaction((trx) => trx.raw('select 1/0, ?', [BINDING]).catch(never)),
  };
  for (const [title, hold] of Object.entries(holders)) {
    it(`keeps the secrets of ${title} out`, async () => {
      const held = failure(hold(db));
      await until('it has asked', async () => {
        const backends = await stage.database.backends();
        return backends.some(({ query }) => query.includes('$1'));
      });
      const error = (await failure(db('t'))) as unknown as FullPoolError;
      expect(error.holders[0]?.lastSql).to.include('$1');
      expect(shown(error)).not.to.include(BINDING);
      expect(shown(error)).not.to.include(PASSWORD);
      expect(shown(error)).not.to.match(/postgres(ql)?:\/\//);
      await db.resetConnection();
      await held;
    });
  }
});
