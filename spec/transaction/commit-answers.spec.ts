// An answer to COMMIT that was heard counts, whatever its code and whatever becomes of the connection behind it.
import net from 'node:net';
import { expect } from 'chai';
import { CommitUnknownError, resettable } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { type Db, rejection, useStage } from './stage';

const COMMIT_TAG = Buffer.from('COMMIT\0');

/** A socket that breaks in the middle of the server's answer to COMMIT: behind the tag, before the server is ready again. */
function breaksBehindCommit(): net.Socket {
  const socket = new net.Socket();
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean;
  const cutting = (event: string, ...args: unknown[]) => {
    const at = event === 'data' ? (args[0] as Buffer).indexOf(COMMIT_TAG) : -1;
    if (at < 0) return emit(event, ...args);
    emit('data', (args[0] as Buffer).subarray(0, at + COMMIT_TAG.length));
    socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    return true;
  };
  socket.emit = cutting as typeof socket.emit;
  return socket;
}

describe('the answer to COMMIT', () => {
  const stage = useStage();
  const insert = (db: Db) => db.atomic((trx) => trx.raw('insert into t values (1)').then(() => 'value'));

  /** Has COMMIT fail with an error of the code. */
  async function failWith(code: string): Promise<void> {
    await stage.database.query(`
      create or replace function fail() returns trigger language plpgsql as
        $$ begin raise exception 'no' using errcode = '${code}'; end $$;
      drop trigger if exists fails on t;
      create constraint trigger fails after insert on t initially deferred for each row execute function fail();`);
  }
  afterEach(() => stage.database.query('drop trigger if exists fails on t'));

  for (const code of ['XX000', 'XX001', '58030', 'F0000', '23505', '40001']) {
    it(`is a failure with ${code}, not an unknown outcome`, async () => {
      await failWith(code);
      const error = await rejection(insert(stage.db));
      expect(error).to.include({ code });
      expect(await stage.ids()).to.deep.equal([]);
    });
  }

  it('is a failure also when the user’s isFatal calls its error fatal', async () => {
    await failWith('23505');
    const db = stage.make({ isFatal: () => true });
    expect(await rejection(insert(db))).to.include({ code: '23505' });
    expect(await stage.ids()).to.deep.equal([]);
  });

  it('is an unknown outcome when the server ends the session', async () => {
    await failWith('57P01');
    expect(await rejection(insert(stage.db))).to.be.instanceOf(CommitUnknownError);
  });

  it('is a success when the connection breaks right after it', async () => {
    const { user, password, database, host, port } = stage.database.connection;
    const stream = () => breaksBehindCommit();
    const db = resettable(makeKnex({ user, password, database, host, port, stream } as never));
    try {
      expect(await insert(db)).to.equal('value');
      expect(await stage.ids()).to.deep.equal([1]);
    } finally {
      await db.destroy();
    }
  });

  describe('while it waits for a synchronous standby', () => {
    beforeEach(() => setStandby("'nobody'"));
    afterEach(() => setStandby("''"));

    async function setStandby(name: string): Promise<void> {
      const superuser = stage.database.observer;
      await superuser.query(`alter system set synchronous_standby_names = ${name}`);
      await superuser.query('select pg_reload_conf()');
      await until('it is known', async () => {
        const { rows } = await superuser.query<{ now: string }>(
          `select current_setting('synchronous_standby_names') as now`,
        );
        return `'${rows[0]?.now}'` === name;
      });
    }

    for (const [what, limit] of [
      ['time limit', () => ({ timeoutMillis: 300 })],
      ['signal', () => ({ signal: AbortSignal.timeout(300) })],
    ] as const) {
      it(`is unknown when a ${what} has ended the wait`, async () => {
        const block = stage.db.atomic(async (trx) => {
          await trx.raw('set local synchronous_commit = on');
          await trx.raw('insert into t values (1)');
        }, limit());
        expect(await rejection(block)).to.be.instanceOf(CommitUnknownError);
      });
    }
  });
});
