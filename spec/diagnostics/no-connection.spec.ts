// That knex's "pool is probably full" says why no connection could be opened, where nothing holds one.
import { expect } from 'chai';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { shown, WAITS_MILLIS } from './stage';

const pool = { min: 0, max: 2, propagateCreateError: false, createRetryIntervalMillis: 10 };
const INTRO = '\nNothing holds a connection: the last attempt to open one failed: ';

describe('the error of a pool that cannot open a connection', () => {
  const stage = useStage();

  it('says that the server refuses', async () => {
    const connection = { ...stage.database.connection, database: 'nowhere', password: 'top-secret-password' };
    const db = stage.resettable({ connection, pool, acquireConnectionTimeout: WAITS_MILLIS });
    const error = await failure(db.raw('select 1'));
    expect(error.name).to.equal('KnexTimeoutError');
    expect(error.message).to.include(`${INTRO}database "nowhere" does not exist`);
    expect(error.stack).to.include(INTRO);
    // Tarn's own error has the text of the failure, and no code.
    expect(error.cause).to.include({ code: '3D000', severity: 'FATAL' });
    expect(error).to.have.property('holders').that.is.empty;
    expect(shown(error)).not.to.include('top-secret-password');
  });

  it('says that the server is of another kind', async () => {
    const db = stage.resettable({ pool, acquireConnectionTimeout: WAITS_MILLIS }, { targetSessionAttrs: 'standby' });
    const { message, cause } = await failure(db.raw('select 1'));
    expect(cause).to.have.property('code', '08001');
    expect(message).to.include(`${INTRO}targetSessionAttrs: expected a 'standby' server`);
  });

  it('shows no password of a URL in that reason', async () => {
    const connection = () => Promise.reject(new Error('no server at postgres://app:top/secret@db:5432/app'));
    const db = stage.resettable({ connection, pool, acquireConnectionTimeout: WAITS_MILLIS });
    const { message } = await failure(db.raw('select 1'));
    expect(message).to.include(`${INTRO}no server at postgres://…@db:5432/app`);
  });

  it('does not name a failed attempt that was followed by a connection', async () => {
    let attempts = 0;
    const afterCreate = (raw: unknown, done: (error: Error | null, raw: unknown) => void) =>
      done(attempts++ === 0 ? new Error('not yet') : null, raw);
    const db = stage.resettable({ pool: { ...pool, max: 1, afterCreate }, acquireConnectionTimeout: WAITS_MILLIS });
    const trx = await db.transaction();
    const { message } = await failure(db.raw('select 1'));
    expect(message).to.include('\nHeld by:\n').and.not.to.include('last attempt');
    expect(attempts).to.equal(2);
    await trx.rollback();
  });
});
