// The simulated server, asked through the real pg in virtual time.
import { expect } from 'chai';
import pg from 'pg';
import { VirtualClock } from './clock/virtual-clock';
import { Network } from './network/network';
import { SimulatedServer } from './server/server';

const clock = new VirtualClock();
let server: SimulatedServer;
let network: Network;

/** Plays the work through in virtual time. */
async function play(work: () => Promise<void>): Promise<void> {
  let end: { error?: unknown } | undefined;
  work().then(
    () => {
      end = {};
    },
    (error: unknown) => {
      end = { error };
    },
  );
  await clock.run(() => end !== undefined, clock.now + 60_000);
  if (!end) throw new Error('the work did not end');
  if ('error' in end) throw end.error;
}

async function connect(): Promise<pg.Client> {
  const stream = () => network.socket('factory') as never;
  const client = new pg.Client({ user: 'app', database: 'app', password: 'secret', stream });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );

describe('the simulated server', () => {
  beforeEach(() => {
    server = new SimulatedServer(clock, 7);
    network = new Network(clock, server, 7, { fragmentation: 0.3, way: 'address' });
  });

  it('answers through the simple and the extended protocol, in whatever pieces', () =>
    play(async () => {
      const client = await connect();
      expect((await client.query('select 5 as token')).rows).to.deep.equal([{ token: 5 }]);
      expect((await client.query('insert into entries (token) values ($1) returning token', [6])).rows).to.deep.equal([
        { token: 6 },
      ]);
      await client.end();
      expect(server.backends.size).to.equal(0);
      expect(server.database.stored.map(({ value }) => value)).to.deep.equal([6]);
    }));

  it('answers COMMIT with ROLLBACK where a statement has failed', () =>
    play(async () => {
      const client = await connect();
      await client.query('begin');
      await client.query('insert into entries (token) values (1)');
      expect(await codeOf(client.query('select 1/0'))).to.equal('22012');
      expect(client.getTransactionStatus()).to.equal('T');
      expect(await codeOf(client.query('select 1'))).to.equal('25P02');
      expect((await client.query('commit')).command).to.equal('ROLLBACK');
      expect(server.database.stored).to.be.empty;
    }));

  it('undoes what was done since a savepoint, and lets its locks go', () =>
    play(async () => {
      const [client, other] = [await connect(), await connect()];
      await client.query('begin');
      await client.query('savepoint a');
      await client.query('update slots set token = 1 where slot = 1');
      const waiting = other.query('update slots set token = 2 where slot = 1');
      await clock.wait(20);
      await client.query('rollback to a');
      await waiting;
      await client.query('commit');
      expect(server.database.stored.map(({ value }) => value)).to.deep.equal([2]);
      expect(server.database.locks.held).to.be.empty;
    }));

  it('finds deadlocks and double keys', () =>
    play(async () => {
      const [client, other] = [await connect(), await connect()];
      await Promise.all([client.query('begin'), other.query('begin')]);
      await client.query("insert into entries (token, key) values (1, 'a')");
      await other.query("insert into entries (token, key) values (2, 'b')");
      const first = codeOf(client.query("insert into entries (token, key) values (3, 'b')"));
      await clock.wait(20);
      expect(await codeOf(other.query("insert into entries (token, key) values (4, 'a')"))).to.equal('40P01');
      await other.query('rollback');
      expect(await first).to.equal(undefined);
      await client.query('commit');
      expect(await codeOf(other.query("insert into entries (token, key) values (5, 'b')"))).to.equal('23505');
    }));

  it('stops a statement that is cancelled, and ends a session that is terminated', () =>
    play(async () => {
      const client = await connect();
      const [{ pid }] = (await client.query('select pg_backend_pid() as pid')).rows as [{ pid: number }];
      const asleep = codeOf(client.query('select pg_sleep(30)'));
      const before = clock.now;
      await clock.wait(10);
      server.cancel(pid);
      expect(await asleep).to.equal('57014');
      expect(clock.now - before).to.be.below(100);
      server.terminate(pid);
      await clock.wait(10);
      expect(server.backends.size).to.equal(0);
      expect(await codeOf(client.query('select 1'))).to.equal(undefined);
      expect(client.getTransactionStatus()).to.equal('I');
    }));

  it('hears nothing of a connection that a middlebox has forgotten, whose client is reset at its next word', () =>
    play(async () => {
      const client = await connect();
      await client.query('begin');
      network.links[0]!.forget();
      expect(await codeOf(client.query('select 1'))).to.equal('ECONNRESET');
      await clock.wait(1000);
      expect(server.backends.size).to.equal(1);
      expect(server.database.openTransactions).to.equal(1);
    }));
});
