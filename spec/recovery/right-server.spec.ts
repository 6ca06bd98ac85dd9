// `targetSessionAttrs` on a real primary and a real hot standby: where connections lead, and what follows when a server changes.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { isFatal, type Resettable, resettable, type ResettableOptions } from '../../lib';
import { FaultProxy } from '../support/fault-proxy';
import { makeKnex, whyNoConnectionPool } from '../support/quiet-knex';
import { AlteredSocket } from '../support/altered-socket';
import { failure, outcome } from '../support/outcome';
import { ordinaryUrl } from '../support/database';
import { ReplicatedServers, superuser } from '../support/replicated-servers';
import { until } from '../support/until';
import { itUnless } from '../support/unless';

type Wanted = NonNullable<ResettableOptions['targetSessionAttrs']>;

/** What the server sends, with the names of what it tells in letters that nobody knows. */
const mute = () => new AlteredSocket('in_hot_standby', 'xx_hot_standby');

describe('targetSessionAttrs', () => {
  let servers: ReplicatedServers;
  /** Of a database and a role on both. */
  let url: string;
  let made: Knex[];

  before(async function () {
    this.timeout(60_000);
    servers = await ReplicatedServers.create();
    url = await ordinaryUrl(servers.primary.url);
    const db = makeKnex(url);
    await db.schema.createTable('t', (table) => void table.integer('id').primary());
    await db.destroy();
  });
  after(() => servers.dispose());
  beforeEach(() => {
    made = [];
  });
  afterEach(() => Promise.all(made.map((db) => db.destroy())));

  function urlOf(server: { port: number }): string {
    const there = new URL(url);
    there.port = String(server.port);
    return there.href;
  }

  /** An instance whose connections lead to what the provider says. */
  function make(
    wanted: Wanted | undefined,
    connection: Knex.Config['connection'] | (() => Knex.PgConnectionConfig),
    config: Knex.Config = {},
    options: ResettableOptions = {},
  ) {
    const db = makeKnex(connection as Knex.Config['connection'], config);
    made.push(db);
    return resettable(db, { ...(wanted && { targetSessionAttrs: wanted }), ...options });
  }

  const parsed = (text: string) => {
    const { hostname: host, port, username: user, password, pathname } = new URL(text);
    return { host, port: Number(port), user, password, database: pathname.slice(1) };
  };

  /** A connection function that goes to one server after the other. */
  function inTurns(...turns: { port: number }[]) {
    let asked = 0;
    return {
      provider: (): Knex.PgConnectionConfig => ({
        connectionString: urlOf(turns[asked++ % turns.length] as { port: number }),
      }),
      get asked() {
        return asked;
      },
    };
  }

  const portOf = async (db: Knex) => Number((await db.raw<{ rows: [{ port: string }] }>('show port')).rows[0].port);

  const idle = (db: Resettable, count: number) =>
    until(`${count} are idle`, () => db.connectionState().connections.idle === count);

  const kinds: [wanted: Wanted, onPrimary: string | undefined, onStandby: string | undefined][] = [
    ['any', undefined, undefined],
    ['read-write', undefined, "'read-only' (a standby)"],
    ['read-only', "'read-write'", undefined],
    ['primary', undefined, "'standby'"],
    ['standby', "'primary'", undefined],
  ];
  for (const [wanted, onPrimary, onStandby] of kinds) {
    describe(wanted, () => {
      for (const [name, found] of [['primary', onPrimary] as const, ['standby', onStandby] as const]) {
        it(`${found ? 'refuses' : 'takes'} the ${name}`, async () => {
          const db = make(wanted, urlOf(servers[name]));
          if (!found) {
            expect(await portOf(db)).to.equal(servers[name].port);
            return;
          }
          const error = await failure(db.raw('select 1'));
          expect(error.message).to.include(`expected a '${wanted}' server`).and.include(`is ${found}`);
          expect(error.message).to.include(`127.0.0.1:${servers[name].port}`);
          expect([error.code, isFatal(error)]).to.deep.equal(['08001', true]);
          await until('the connection is closed', async () => {
            const sql = `select count(*)::int as n from pg_stat_activity where datname = '${new URL(url).pathname.slice(1)}'`;
            return (await superuser(servers[name], sql))[0]?.n === 0;
          });
          expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
        });
      }
    });
  }

  it('counts a primary whose sessions are read-only as read-only, and as a primary', async () => {
    const options = '-c default_transaction_read_only=on';
    const connection = { connectionString: urlOf(servers.primary), options };
    expect(await failure(make('read-write', connection).raw('select 1'))).to.match(/is 'read-only'$/);
    await make('read-only', connection).raw('select 1');
    await make('primary', connection).raw('select 1');
  });

  it('calls the connection function again after each server of another kind', async () => {
    const turns = inTurns(servers.standby, servers.standby, servers.primary);
    const db = make('read-write', turns.provider);
    for (const asked of [1, 2]) {
      await failure(db.raw('select 1'));
      expect(turns.asked).to.equal(asked);
    }
    expect(await portOf(db)).to.equal(servers.primary.port);
  });

  it('keeps opening connections within the settings of the pool', async () => {
    const turns = inTurns(servers.standby, servers.standby, servers.primary);
    const pool = { min: 0, max: 2, propagateCreateError: false, createRetryIntervalMillis: 10 };
    expect(await portOf(make('read-write', turns.provider, { pool }))).to.equal(servers.primary.port);
    expect(turns.asked).to.equal(3);
  });

  it('makes a block with retry succeed after a server of another kind', async () => {
    const turns = inTurns(servers.standby, servers.standby, servers.primary);
    const db = make('primary', turns.provider);
    expect(await db.atomic((trx) => portOf(trx), { retry: 5 })).to.equal(servers.primary.port);
  });

  it('replaces connections that were there before', async () => {
    const turns = inTurns(servers.standby, servers.primary);
    const plain = makeKnex(turns.provider as never, { pool: { min: 0, max: 2 } });
    made.push(plain);
    const trx = await plain.transaction();
    await plain.raw('select 1');
    const db = resettable(plain, { targetSessionAttrs: 'primary' });
    expect(await portOf(trx)).to.equal(servers.standby.port);
    await trx.commit();
    expect(await portOf(db)).to.equal(servers.primary.port);
  });

  describe('when the server becomes read-only', () => {
    const setReadOnly = async (value: 'on' | 'off') => {
      await superuser(servers.primary, `alter system set default_transaction_read_only = ${value}`);
      await superuser(servers.primary, 'select pg_reload_conf()');
    };
    afterEach(() => setReadOnly('off'));

    /** Idle connections to the primary; what is opened after goes to another server that takes writes: for this spec, the same one by another name. */
    async function makeIdle(wanted: Wanted | undefined, options: ResettableOptions = {}) {
      const db = make(
        wanted,
        () => ({ connectionString: urlOf(servers.primary) }),
        { pool: { min: 0, max: 3 } },
        options,
      );
      await Promise.all([1, 2, 3].map(() => db.raw('select pg_sleep(0.05)')));
      await setReadOnly('on');
      await until('all sessions have heard of it', async () => {
        const shown = await db.raw<{ rows: [{ default_transaction_read_only: string }] }>(
          'show default_transaction_read_only',
        );
        return shown.rows[0].default_transaction_read_only === 'on';
      });
      return db;
    }

    for (const wanted of ['read-write', 'primary'] as const) {
      it(`fails a refused statement once, and closes the idle connections, with '${wanted}'`, async () => {
        const db = await makeIdle(wanted);
        expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: '25006' });
        expect(db.connectionState().connections.idle).to.equal(0);
        await setReadOnly('off');
        await until('a session takes writes again', async () => {
          const [row] = await superuser(servers.primary, 'show default_transaction_read_only');
          return row?.default_transaction_read_only === 'off';
        });
        await db('t').insert({ id: 1 });
        await db('t').delete();
      });
    }

    for (const [onFatal, idleLeft] of [['discard', 2] as const, ['reset', 0] as const]) {
      it(`does what onFatal says: '${onFatal}'`, async () => {
        const db = await makeIdle('read-write', { onFatal });
        expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: '25006' });
        await idle(db, idleLeft);
        expect(db.connectionState().generation).to.equal(onFatal === 'reset' ? 1 : 0);
      });
    }

    it('makes a block with retry succeed on a later connection', async () => {
      const db = await makeIdle('read-write');
      let attempts = 0;
      await db.atomic(
        async (trx) => {
          if (++attempts === 2) await setReadOnly('off');
          await trx('t').insert({ id: attempts });
        },
        {
          retry: { attempts: 30, minDelayMillis: 5, maxDelayMillis: 20 },
          hooks: { onRetry: () => setReadOnly('off') },
        },
      );
      expect(attempts).to.equal(2);
      await db('t').delete();
    });

    it('dooms the whole transaction, also when the error is swallowed', async () => {
      const db = await makeIdle('read-write');
      const block = db.atomic(async (trx) => {
        await trx.atomic((inner) => inner('t').insert({ id: 1 })).catch(() => {});
      });
      expect(await failure(block)).to.include({ code: '25006' });
    });

    it('changes nothing in a readOnly transaction', async () => {
      const db = make('primary', urlOf(servers.primary));
      await db.raw('select 1');
      for (const run of [
        () => db.atomic((trx) => trx('t').insert({ id: 1 }), { readOnly: true }),
        () => db.transaction((trx) => trx('t').insert({ id: 1 }), { readOnly: true }),
      ]) {
        expect(await failure(run())).to.include({ code: '25006' });
        await idle(db, 1);
      }
    });

    it('changes nothing without the option, or with its other values', async () => {
      for (const wanted of [undefined, 'any'] as const) {
        const db = await makeIdle(wanted);
        expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: '25006' });
        await idle(db, 3);
        await setReadOnly('off');
      }
    });

    it('may be overruled by the user’s isFatal', async () => {
      const db = await makeIdle('read-write', { isFatal: (error, standard) => standard && !error });
      expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: '25006' });
      await idle(db, 3);
    });
  });

  describe('on a server before 14, which does not report its kind', () => {
    for (const name of ['primary', 'standby'] as const) {
      it(`asks the ${name}`, async () => {
        const connection = { connectionString: urlOf(servers[name]), stream: mute } as never;
        const other = name === 'primary' ? 'standby' : 'primary';
        expect(await failure(make(other, connection).raw('select 1'))).to.match(new RegExp(`is '${name}'$`));
        await make(name, connection).raw('select 1');
        const takesWrites = make('read-write', connection).raw('select 1');
        if (name === 'primary') await takesWrites;
        else expect(await failure(takesWrites)).to.match(/is 'read-only' \(a standby\)$/);
      });
    }
  });

  describe('while a server is asked for its kind', () => {
    let proxy: FaultProxy;
    /** The names of what the server tells are not known, so that it has to be asked. */
    const through = () => ({ ...proxy.through(parsed(url)), stream: mute }) as never;
    beforeEach(async () => {
      proxy = await FaultProxy.to({ host: '127.0.0.1', port: servers.primary.port });
    });
    afterEach(() => proxy.close());

    it('rejects the query when the connection is cut, and asks anew for the next one', async () => {
      const db = make('primary', through());
      const fault = proxy.cutBefore('pg_is_in_recovery');
      expect(isFatal(await failure(db.raw('select 1')))).to.be.true;
      expect(fault.hits).to.equal(1);
      await db.raw('select 1');
    });

    it('gives the connection up within the instance’s time when there is no answer', async () => {
      const db = make('primary', through(), {}, { timeoutMillis: 200 });
      proxy.swallowAnswersAfter('pg_is_in_recovery');
      const error = await failure(db.raw('select 1'));
      expect(error).to.match(/expected a 'primary' server, but the server is one that did not say within 200 ms/);
      await db.raw('select 1');
    });

    /** The server is asked something else, from the second question on or each time. Returns how often it was. */
    const replaceQuestion = (sql: string, from: number) => {
      let asks = 0;
      proxy.onMessage(({ bytes }) => {
        if (!bytes.includes('pg_is_in_recovery') || ++asks < from || (from > 1 && asks > from)) return;
        bytes.write(sql.padEnd(bytes.length - 6), 5, 'latin1');
      });
      return () => asks;
    };

    it('opens another one for the waiting query where the death of a connection closes it', async () => {
      const db = make('primary', through());
      const asks = replaceQuestion('select pg_sleep(60)', 2);
      const trx = await db.transaction();
      const { rows } = await trx.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
      const waiting = outcome(db.raw('select 1'));
      const sleeping = "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep(60)%'";
      await until('it is asked', async () => (await superuser(servers.primary, sleeping)).length > 0);
      await superuser(servers.primary, `select pg_terminate_backend(${rows[0].pid})`);
      expect(await waiting).to.have.property('value');
      expect(asks()).to.equal(3);
      await outcome(trx.rollback());
    });

    it('rejects the query with what its own question failed of, also where the user calls that fatal', async () => {
      const db = make('primary', through(), {}, { isFatal: () => true });
      const asks = replaceQuestion('select 1/0', 1);
      expect(await failure(db.raw('select 1'))).to.include({ code: '22012' });
      expect(asks()).to.equal(1);
    });

    it('lets a reset resolve in time, and rejects the waiting queries', async () => {
      const db = make('primary', through());
      const fault = proxy.swallowAnswersAfter('pg_is_in_recovery');
      const waiting = failure(db.raw('select 1'));
      await until('it was asked', () => fault.hits > 0);
      await db.resetConnection({ timeoutMillis: 300 });
      expect(await waiting).to.include({ code: 'ERR_RESET' });
      await db.raw('select 1');
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
    });
  });

  describe('given a wrong value', () => {
    const refuse = (config: Knex.Config, given: unknown) => () =>
      resettable(makeKnex({}, config), { targetSessionAttrs: given as Wanted });

    it('throws a TypeError that names the option and what is expected', () => {
      for (const given of ['prefer-standby', '', 1, true, null, ['primary']]) {
        expect(refuse({}, given)).to.throw(
          TypeError,
          /targetSessionAttrs: expected 'any' or 'read-write' or .*, but was given/,
        );
      }
    });

    it('throws a TypeError on databases without such kinds', () => {
      for (const wanted of ['primary', 'standby'] as const) {
        expect(refuse({ client: 'mysql2' }, wanted)).to.throw(
          TypeError,
          `targetSessionAttrs with mysql2: expected 'any' or 'read-write' or 'read-only', but was given '${wanted}'`,
        );
      }
      for (const [client, wanted] of [['cockroachdb', 'read-write'] as const, ['redshift', 'primary'] as const]) {
        expect(refuse({ client }, wanted)).to.throw(TypeError, `expected 'any', but was given '${wanted}'`);
        refuse({ client }, 'any')();
      }
    });

    itUnless(
      whyNoConnectionPool(),
      'throws a TypeError with a pool of the user’s, which opens connections by itself',
      async () => {
        const owner = makeKnex({});
        const shared = { connection: undefined as never, connectionPool: owner.client.pool } as Knex.Config;
        expect(refuse(shared, 'primary')).to.throw(TypeError, /targetSessionAttrs with connectionPool.*'primary'/);
        await owner.destroy();
      },
    );
  });
});
