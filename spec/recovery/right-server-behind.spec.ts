// `targetSessionAttrs` where another program stands before the server and repeats what an earlier connection was told.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import sinon from 'sinon';
import { type Resettable, resettable, type ResettableOptions } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { FaultProxy } from '../support/fault-proxy';
import { AlteredSocket } from '../support/altered-socket';
import { failure } from '../support/outcome';
import { PgBouncer, whyNoPgBouncer } from '../support/pgbouncer';
import { makeKnex } from '../support/quiet-knex';
import { ReplicatedServers, superuser } from '../support/replicated-servers';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

type Wanted = NonNullable<ResettableOptions['targetSessionAttrs']>;

/** Passes on the server's id of the session, but says of each server that it takes writes. */
const flatterer = () => new AlteredSocket('transaction_read_only\0on\0', 'transaction_read_only\0no\0');

describe('targetSessionAttrs, where what is told at login may be old', () => {
  let servers: ReplicatedServers;
  let made: Knex[];
  /** Of a database and a role on both. */
  let parameters: { user: string; password: string; database: string };

  beforeEach(async function () {
    this.timeout(60_000);
    made = [];
    servers = await ReplicatedServers.create();
    const { username: user, password, pathname } = new URL(await ordinaryUrl(servers.primary.url));
    parameters = { user, password, database: pathname.slice(1) };
    await make(undefined, servers.primary.port).schema.createTable('t', (table) => void table.integer('id'));
  });
  afterEach(async () => {
    await Promise.all(made.map((db) => db.destroy()));
    await servers.dispose();
  });

  const at = (port: number) => ({ host: '127.0.0.1', port, ...parameters });

  function make(wanted: Wanted | undefined, port: number, connection: object = {}): Knex & Resettable {
    const settings = typeof connection === 'function' ? connection : { ...at(port), ...connection };
    const db = makeKnex(settings as Knex.PgConnectionConfig, { pool: { min: 0, max: 2 } });
    made.push(db);
    return resettable(db, wanted && { targetSessionAttrs: wanted });
  }

  /** How often a server was asked for its kind. */
  async function asked(work: () => Promise<unknown>): Promise<number> {
    const query = sinon.spy(Client.prototype, 'query');
    try {
      await work();
      const sent = query.getCalls().map(({ args }) => JSON.stringify(args[0] ?? ''));
      return sent.filter((sql) => sql.includes('pg_is_in_recovery')).length;
    } finally {
      query.restore();
    }
  }

  const setReadOnly = async (value: 'on' | 'off') => {
    await superuser(servers.primary, `alter system set default_transaction_read_only = ${value}`);
    await superuser(servers.primary, 'select pg_reload_conf()');
    await until('a session has heard of it', async () => {
      const [row] = await superuser(servers.primary, 'show default_transaction_read_only');
      return row?.default_transaction_read_only === value;
    });
  };

  const reason = whyNoPgBouncer();
  for (const mode of ['transaction', 'session']) {
    describeUnless(reason, `behind PgBouncer, in ${mode} mode`, () => {
      let bouncer: PgBouncer;
      const stand = async (server: { port: number }) => {
        const there = { observer: { host: '127.0.0.1', port: server.port }, connection: parameters };
        bouncer = await PgBouncer.before(there as never, { pool_mode: mode, default_pool_size: '9' });
      };
      afterEach(() => bouncer?.dispose());

      it('goes by what the server is after its promotion, not by what it was', async () => {
        await stand(servers.standby);
        const writing = make('read-write', bouncer.port);
        await make('standby', bouncer.port).raw('select 1');
        expect(await failure(writing.raw('select 1'))).to.match(/is 'read-only' \(a standby\)$/);
        await servers.primary.stop('crash');
        await servers.promote();
        await writing('t').insert({ id: 1 });
        await make('primary', bouncer.port)('t').insert({ id: 2 });
        expect(await failure(make('standby', bouncer.port).raw('select 1'))).to.match(/is 'primary'$/);
      });

      it('asks on each new connection', async () => {
        await stand(servers.primary);
        const db = make('primary', bouncer.port);
        for (const _ of [1, 2]) {
          expect(await asked(() => db.raw('select 1'))).to.equal(1);
          expect(await asked(() => db.raw('select 1'))).to.equal(0);
          await db.resetConnection();
        }
      });
    });
  }

  it('asks nothing on later connections that lead to the server itself', async () => {
    const db = make('primary', servers.primary.port);
    expect(await asked(() => db.raw('select 1'))).to.equal(1);
    await db.resetConnection();
    expect(await asked(() => Promise.all([1, 2].map(() => db.raw('select pg_sleep(0.05)'))))).to.equal(0);
  });

  it('asks on the first connection to each address', async () => {
    const proxy = await FaultProxy.to({ host: '127.0.0.1', port: servers.primary.port });
    const ports = [servers.primary.port, proxy.port, servers.primary.port, proxy.port];
    const db = make('primary', 0, () => at(ports.shift() as number));
    const counts: number[] = [];
    while (ports.length > 0) {
      counts.push(await asked(() => db.raw('select 1')));
      await db.resetConnection();
    }
    await proxy.close();
    expect(counts).to.deep.equal([1, 1, 0, 0]);
  });

  it('asks before it refuses what it was told', async () => {
    const db = make('read-write', servers.primary.port);
    await db.raw('select 1');
    await setReadOnly('on');
    await db.resetConnection();
    expect(await asked(() => failure(db.raw('select 1')))).to.equal(1);
  });

  it('asks on each later connection once a write was refused against what was told', async () => {
    const db = make('read-write', servers.primary.port, { stream: flatterer });
    await db('t').insert({ id: 1 });
    await setReadOnly('on');
    await db.resetConnection();
    expect(await failure(db('t').insert({ id: 2 }))).to.include({ code: '25006' });
    for (const _ of [1, 2]) expect(await failure(db('t').insert({ id: 2 }))).to.match(/is 'read-only'$/);
    await setReadOnly('off');
    for (const _ of [1, 2]) {
      expect(await asked(() => db('t').insert({ id: 2 }))).to.equal(1);
      await db.resetConnection();
    }
  });
});
