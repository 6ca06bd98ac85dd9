// Shows that the server survives what specs do to it, and never outlives its process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { Client } from 'pg';
import { PostgresServer } from './postgres-server';
import { until } from './until';

async function ask(connectionString: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString });
  client.on('error', () => {}); // the server may go at any time; connect() and query() tell
  await client.connect();
  try {
    return Object.values((await client.query(sql)).rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

/** Null once nothing listens there. */
function answer(url: string): Promise<unknown> {
  return ask(url, 'select 1').catch(() => null);
}

describe('PostgresServer', () => {
  describe('while it runs', () => {
    let server: PostgresServer;
    before(async () => {
      server = await PostgresServer.create({ max_connections: '17' });
    });
    after(() => server.dispose());

    it('takes settings', async () => {
      expect(await ask(server.url, 'show max_connections')).to.equal('17');
    });

    it('keeps its port and data over a crash', async () => {
      await ask(server.url, 'create table kept as select 5 as id');
      await server.restart('crash');
      expect(await ask(server.urlFor('postgres'), 'select id from kept')).to.equal(5);
    });

    it('refuses connections while it is stopped', async () => {
      await server.stop('fast');
      expect(await answer(server.url)).to.be.null;
      await server.start();
      expect(await answer(server.url)).to.equal(1);
    });
  });

  it('says what the server wrote when it does not come up', async () => {
    const error = await PostgresServer.create({ no_such_setting: '1' }).catch((reason: unknown) => reason);
    expect(error).to.be.an('error').with.property('message').that.includes('no_such_setting');
  });

  it('goes, files included, with a process that is killed', async () => {
    const script = path.join(__dirname, 'fixtures', 'serve.ts');
    const owner = spawn(process.execPath, ['--require', 'tsx/cjs', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string];
    const { url, folder } = JSON.parse(line) as { url: string; folder: string };
    expect(await answer(url)).to.equal(1);
    owner.kill('SIGKILL');
    await until('the server is gone', async () => (await answer(url)) === null);
    await until('its files are gone', () => !fs.existsSync(folder));
  });
});
