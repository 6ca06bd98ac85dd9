// A COMMIT that a crash of the server has undone is not taken for another transaction's that got its id, also by an ordinary role.
import { expect } from 'chai';
import { CommitUnknownError, resettable } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { FaultProxy } from '../support/fault-proxy';
import { PostgresServer } from '../support/postgres-server';
import { makeKnex } from '../support/quiet-knex';
import { superuser } from '../support/replicated-servers';
import { later, rejection } from './stage';

describe('a lost COMMIT, with verifyCommit, on a server that crashed', function () {
  this.timeout(60_000);
  let server: PostgresServer;
  let proxy: FaultProxy;

  before(async () => {
    // Nothing is on disk that no COMMIT has put there.
    server = await PostgresServer.create({ wal_writer_delay: '10s' });
    proxy = await FaultProxy.to({ host: '127.0.0.1', port: server.port });
  });
  after(async () => {
    await proxy.close();
    await server.dispose();
  });

  const ways: [name: string, crash: () => Promise<unknown>][] = [
    ['and was started anew', () => server.restart('immediate')],
    [
      'and recovered by itself',
      async () => {
        const [row] = await superuser(server, 'select pg_backend_pid() as pid, pg_sleep(0)');
        const victim = superuser(server, 'select pg_sleep(60)').catch(() => {});
        let pid: number | undefined;
        while (pid === undefined || pid === row?.pid) {
          const sleeping = "select pid from pg_stat_activity where query = 'select pg_sleep(60)'";
          pid = (await superuser(server, sleeping))[0]?.pid as number | undefined;
        }
        process.kill(pid, 'SIGKILL');
        await victim;
        for (;;) {
          const isBack = await superuser(server, 'select 1').then(
            () => true,
            () => false,
          );
          if (isBack) return;
        }
      },
    ],
  ];
  for (const [name, crash] of ways) {
    it(`${name} is unknown`, async () => {
      const url = new URL(await ordinaryUrl(server.url));
      const connection = proxy.through({
        host: url.hostname,
        port: Number(url.port),
        user: url.username,
        password: url.password,
        database: url.pathname.slice(1),
      });
      const db = resettable(makeKnex(connection), { timeoutMillis: 20_000 });
      try {
        await db.schema.createTable('t', (table) => void table.integer('id'));
        // Its connection has been in use: what `verifyCommit` asks once is known.
        await db.atomic((trx) => trx('t').insert({ id: 0 }), { verifyCommit: true });
        let xid = 0;
        const fault = proxy.cutBefore('COMMIT');
        const block = later(
          db.atomic(
            async (trx) => {
              await trx('t').insert({ id: 1 });
              const { rows } = await trx.raw<{ rows: [{ xid: string }] }>('select pg_current_xact_id()::text as xid');
              xid = Number(rows[0].xid);
              // Whoever asks what became of it has to wait for the crash, and for the stranger.
              proxy.mode = 'reject';
            },
            { verifyCommit: true },
          ),
        );
        while (fault.hits === 0) await new Promise((resolve) => setTimeout(resolve, 3));
        await crash();
        let last = 0;
        while (last < xid) last = Number((await superuser(server, 'select pg_current_xact_id()::text as xid'))[0]?.xid);
        expect((await superuser(server, `select pg_xact_status('${xid}'::xid8) as status`))[0]?.status).to.equal(
          'committed',
        );
        proxy.mode = 'pass';
        expect(await rejection(block))
          .to.be.instanceOf(CommitUnknownError)
          .and.to.include({ xid: String(xid) });
        expect(await db('t').pluck('id')).to.deep.equal([0]);
      } finally {
        proxy.mode = 'pass';
        await db.destroy();
      }
    });
  }
});
