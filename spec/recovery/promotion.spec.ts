// A standby is promoted under the load of blocks with `retry`: no acknowledged write is lost, and the process goes on as it is.
import { expect } from 'chai';
import { CommitUnknownError, resettable } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { ordinaryUrl } from '../support/database';
import { ReplicatedServers, superuser } from '../support/replicated-servers';
import type { StopMode } from '../support/postgres-server';
import { until } from '../support/until';

const WRITERS = 6;

describe('the promotion of a standby', function () {
  this.timeout(60_000);

  /** How the primary goes, and whether it goes before the standby takes over. */
  const ways: [name: string, mode: StopMode][] = [
    ['after the primary was shut down', 'fast'],
    ['after the primary has crashed', 'crash'],
  ];
  for (const [name, mode] of ways) {
    it(`${name} loses no acknowledged write, and the first write after it succeeds`, async () => {
      const servers = await ReplicatedServers.create();
      const url = await ordinaryUrl(servers.primary.url);
      const hosts = [servers.primary, servers.standby];
      let asked = 0;
      const db = resettable(
        makeKnex(
          () => {
            const there = new URL(url);
            there.port = String(hosts[asked++ % hosts.length]?.port);
            return { connectionString: there.href };
          },
          { pool: { min: 0, max: 4, propagateCreateError: false, createRetryIntervalMillis: 20 } },
        ),
        { targetSessionAttrs: 'read-write' },
      );
      try {
        await db.schema.createTable('t', (table) => void table.integer('id').primary());
        const acknowledged: number[] = [];
        const unknown: number[] = [];
        let next = 0;
        let isOver = false;
        const writer = async () => {
          while (!isOver) {
            const id = ++next;
            try {
              await db.atomic((trx) => trx('t').insert({ id }), { retry: { attempts: 100, maxDelayMillis: 100 } });
              acknowledged.push(id);
            } catch (error) {
              // A COMMIT that was under way: the writer was told that nobody knows.
              if (!(error instanceof CommitUnknownError)) throw error;
              unknown.push(id);
            }
          }
        };
        const writers = Promise.all(Array.from({ length: WRITERS }, writer));
        writers.catch(() => {});
        await until('writes are acknowledged', () => acknowledged.length > 50, { timeoutMillis: 20_000 });
        const before = acknowledged.length;
        await servers.primary.stop(mode);
        await servers.promote();
        // Of its own, so that nothing is there yet to tell that the primary has gone.
        await db.atomic((trx) => trx('t').insert({ id: -1 }), { retry: { attempts: 100, maxDelayMillis: 100 } });
        await until('the writers go on', () => acknowledged.length > before + 50, { timeoutMillis: 20_000 });
        isOver = true;
        await writers;

        const rows = await db('t').pluck<number[]>('id');
        expect(rows).to.include.members([-1, ...acknowledged]);
        const known = new Set([-1, ...acknowledged, ...unknown]);
        expect(rows.filter((id) => !known.has(id))).to.be.empty;
        expect(unknown.length).to.be.at.most(4);
      } finally {
        await db.destroy();
        await servers.dispose();
      }
    });
  }

  it('costs blocks with retry nothing while the old primary refuses writes', async () => {
    const servers = await ReplicatedServers.create();
    const url = await ordinaryUrl(servers.primary.url);
    const port = { now: servers.primary.port };
    const db = resettable(
      makeKnex(() => {
        const there = new URL(url);
        there.port = String(port.now);
        return { connectionString: there.href };
      }),
      { targetSessionAttrs: 'primary' },
    );
    try {
      await db.schema.createTable('t', (table) => void table.integer('id').primary());
      const acknowledged: number[] = [];
      let isOver = false;
      const writer = async (_: unknown, first: number) => {
        for (let id = first; !isOver; id += WRITERS) {
          await db.atomic((trx) => trx('t').insert({ id }), { retry: { attempts: 100, maxDelayMillis: 100 } });
          acknowledged.push(id);
        }
      };
      const writers = Promise.all(Array.from({ length: WRITERS }, writer));
      writers.catch(() => {});
      await until('writes are acknowledged', () => acknowledged.length > 50, { timeoutMillis: 20_000 });
      // As a switch-over is made: the old one takes no more writes, the new one takes over, the name leads to the new one.
      await superuser(servers.primary, 'alter system set default_transaction_read_only = on');
      await superuser(servers.primary, 'select pg_reload_conf()');
      await servers.promote();
      port.now = servers.standby.port;
      const before = acknowledged.length;
      await until('the writers go on', () => acknowledged.length > before + 50, { timeoutMillis: 20_000 });
      isOver = true;
      await writers;
      const there = new URL(url);
      there.port = String(servers.standby.port);
      const fresh = makeKnex(there.href);
      expect((await fresh('t').pluck<number[]>('id')).sort((a, b) => a - b)).to.deep.equal(
        acknowledged.sort((a, b) => a - b),
      );
      await fresh.destroy();
    } finally {
      await db.destroy();
      await servers.dispose();
    }
  });
});
