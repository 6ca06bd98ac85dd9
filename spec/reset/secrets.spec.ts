// That the errors and reports of a reset never show bindings, passwords or connection strings, not even after knex's query path.
import util from 'node:util';
import { expect } from 'chai';
import { CommitUnknownError, ResetError } from '../../lib';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

const BINDING = 'top-secret-binding';
/** knex puts the binding into an error's message where an operator has a question mark; pg's own `$1` it leaves alone. */
const SHOWY = "select '{}'::jsonb \\? ?, pg_sleep(30)";

describe('resetConnection()', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (secret text)'));
  beforeEach(() => {
    db = stage.resettable({ compileSqlOnError: true });
  });

  /** Everything that a log may show of it, causes and hidden fields included. */
  function shown(value: unknown): string {
    const error = value as Error & Record<string, unknown>;
    const parts = [
      String(error),
      error.message,
      error.stack,
      JSON.stringify(error),
      JSON.stringify(Object.entries(error)),
    ];
    return [...parts, util.inspect(error, { depth: 10, showHidden: true, getters: true })].join('\n');
  }

  function expectNoSecret(value: unknown): void {
    const text = shown(value);
    expect(text).not.to.include(BINDING);
    expect(text).not.to.include(stage.database.connection.password);
    expect(text).not.to.match(/postgres(ql)?:\/\//);
  }

  it('keeps secrets out of the error of a query that it aborts', async () => {
    const query = failure(db.raw(SHOWY, [BINDING]));
    await stage.running('pg_sleep');
    expectNoSecret(await db.resetConnection());
    expect(await query).to.be.an.instanceof(ResetError);
    expectNoSecret(await query);
  });

  it('keeps secrets out of the error of a transaction, also through several levels', async () => {
    const nested = failure(
      db.transaction((outer) =>
        outer.transaction(async (inner) => {
          await inner('t').insert({ secret: BINDING });
          await inner.raw(SHOWY, [BINDING]);
        }),
      ),
    );
    await stage.running('pg_sleep');
    expectNoSecret(await db.resetConnection());
    expect(await nested).to.be.an.instanceof(ResetError);
    expectNoSecret(await nested);
  });

  it('keeps secrets out of the error of a late query on the handle', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ secret: BINDING });
    const report = await db.resetConnection();
    expectNoSecret(report);
    for (const late of [trx('t').insert({ secret: BINDING }), trx.raw(SHOWY, [BINDING]), trx.commit()]) {
      const error = await failure(late);
      expect(error).to.be.an.instanceof(ResetError);
      expectNoSecret(error);
    }
    expectNoSecret(await failure(trx.executionPromise));
  });

  it('keeps secrets out of the error of a query that waits for a connection', async () => {
    const narrow = stage.resettable({ compileSqlOnError: true, pool: { max: 1 } });
    const held = failure(narrow.transaction((trx) => trx.raw('select 1').then(never)));
    await until('it is held', () => narrow.connectionState().transactions.length === 1);
    const waiter = failure(narrow.raw(SHOWY, [BINDING]));
    await until('it waits', () => narrow.connectionState().connections.waiting === 1);
    await narrow.resetConnection();
    expect(await waiter).to.be.an.instanceof(ResetError);
    for (const error of [await waiter, await held]) expectNoSecret(error);
  });

  it('keeps secrets out of the error of a lost COMMIT', async () => {
    const proxy = await stage.proxy();
    const far = stage.resettable({ through: proxy, compileSqlOnError: true });
    proxy.swallowAnswersAfter('COMMIT');
    const transaction = failure(
      far.transaction(async (trx) => {
        await trx('t').insert({ secret: BINDING });
      }),
    );
    await until('it is stored', async () => (await stage.database.query('select 1 from t')).length > 0);
    await far.resetConnection({ timeoutMillis: 300 });
    expect(await transaction).to.be.an.instanceof(CommitUnknownError);
    expectNoSecret(await transaction);
  });

  it('keeps secrets out of connectionState()', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ secret: BINDING });
    expectNoSecret(db.connectionState());
    await trx.rollback();
  });
});
