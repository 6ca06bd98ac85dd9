// Sandboxes that are not pinned: only what `run()` runs is inside, so that several are open at once in one process.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { ResetError, type Sandbox, SandboxError } from '../../lib';
import { defer } from '../../lib/words/waiting';
import { failure, thrownBy } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, ids, pidOf, useTables, useTablesToFill } from './stage';

describe('openSandbox({ pinned: false })', () => {
  const stage = useTablesToFill();
  let db: ResettableKnex;
  const open = () => db.openSandbox({ pinned: false });

  beforeEach(() => {
    db = stage.resettable();
  });

  it('leaves queries outside of run() on the pool', async () => {
    const sandbox = await open();
    await sandbox.run(() => db('t').insert({ id: 1 }));
    await db('t').insert({ id: 2 });
    expect(await sandbox.run(() => db('t').pluck('id'))).to.have.members([1, 2]);
    expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] });
    expect(await ids(stage)).to.deep.equal([2]);
  });

  it('opens several at once, which do not see each other', async () => {
    const sandboxes = await Promise.all([open(), open(), open()]);
    await Promise.all(sandboxes.map((each, n) => each.run(() => db('t').insert({ id: n }))));
    const seen = await Promise.all(sandboxes.map((each) => each.run(() => db('t').pluck('id'))));
    expect(seen).to.deep.equal([[0], [1], [2]]);
    await Promise.all(sandboxes.map((each) => each.close()));
    await expectUntouched(stage, db);
  });

  it('keeps the async context of run() inside: transactions, timers and callbacks as well', async () => {
    const sandbox = await open();
    const pids = await sandbox.run(async () => {
      const [first] = [await pidOf(db)];
      const second = await db.transaction((trx) => pidOf(trx as never));
      const third = await new Promise((resolve) => setTimeout(() => void pidOf(db).then(resolve), 1));
      return [first, second, third];
    });
    expect(new Set(pids)).to.have.property('size', 1);
    await sandbox.close();
  });

  it('keeps its data between runs', async () => {
    const sandbox = await open();
    await sandbox.run(() => db.atomic((trx) => trx('t').insert({ id: 1 })));
    expect(await sandbox.run(() => db('t').pluck('id'))).to.deep.equal([1]);
    await sandbox.close();
    await expectUntouched(stage, db);
  });

  it('allows a pinned sandbox beside it', async () => {
    const beside = await open();
    const pinned = await db.openSandbox();
    await db('t').insert({ id: 1 });
    await beside.run(async () => {
      expect(await db('t')).to.be.empty;
      await db('t').insert({ id: 2 });
    });
    expect(await db('t').pluck('id')).to.deep.equal([1]);
    await pinned.close();
    expect(await beside.run(() => db('t').pluck('id'))).to.deep.equal([2]);
    await beside.close();
    await expectUntouched(stage, db);
  });

  it('is refused while a sandbox is pinned, with the remedy in the message', async () => {
    const pinned = await db.openSandbox();
    const error = await failure(open());
    expect(error).to.be.instanceOf(SandboxError);
    expect(error.message).to.include('pinned: false');
    await pinned.close();
  });

  it('refuses queries of its code after close()', async () => {
    const sandbox = await open();
    const isClosed = defer();
    const late = sandbox.run(async () => {
      await isClosed.promise;
      return failure(db('t').insert({ id: 1 }));
    });
    await sandbox.close();
    isClosed.resolve();
    expect(await late).to.be.instanceOf(SandboxError);
    await expectUntouched(stage, db);
  });

  it('runs a builder that run() returned inside the sandbox, also when it is awaited later', async () => {
    const sandbox = await open();
    const insert = sandbox.run(() => db('t').insert({ id: 1 }));
    const query = sandbox.run(() => db('t'));
    await insert;
    expect(await query.where({ id: 1 }).pluck('id')).to.deep.equal([1]);
    await sandbox.close();
    await expectUntouched(stage, db);
  });

  it('accepts no other value for pinned', async () => {
    expect(await failure(db.openSandbox({ pinned: 1 as never }))).to.be.instanceOf(TypeError);
    expect(await failure(db.sandbox(() => {}, { pinned: true }))).to.be.instanceOf(TypeError);
    await db.sandbox(() => {}, { pinned: false });
  });
});

for (const pinned of [true, false]) {
  describe(`run() of a sandbox with pinned: ${pinned}`, () => {
    const stage = useTables();
    let db: ResettableKnex;
    let sandbox: Sandbox;

    beforeEach(async () => {
      db = stage.resettable();
      sandbox = await db.openSandbox({ pinned });
    });

    it('returns what the work returns, and throws what it throws', async () => {
      const thrown = new Error('no');
      expect(sandbox.run(() => 5)).to.equal(5);
      expect(await sandbox.run(async () => (await db.raw<{ rows: unknown[] }>('select 1 as one')).rows)).to.deep.equal([
        { one: 1 },
      ]);
      const fail = () => {
        throw thrown;
      };
      expect(thrownBy(() => sandbox.run(fail))).to.equal(thrown);
      await sandbox.close();
    });

    it('throws SandboxError once close() was called', async () => {
      const closing = sandbox.close();
      expect(thrownBy(() => sandbox.run(() => 1))).to.be.instanceOf(SandboxError);
      await closing;
      expect(thrownBy(() => sandbox.run(() => 1)))
        .to.be.instanceOf(SandboxError)
        .with.property('code', 'ERR_SANDBOX');
    });

    it('throws SandboxError after a reset, with the ResetError of the queries as its cause', async () => {
      const isReset = defer();
      const late = sandbox.run(async () => {
        await isReset.promise;
        return failure(db('t').insert({ id: 1 }));
      });
      await db.resetConnection({ reason: 'spec' });
      const error = thrownBy(() => sandbox.run(() => 1));
      expect(error).to.be.instanceOf(SandboxError);
      expect(error).to.have.property('cause').that.is.instanceOf(ResetError);
      isReset.resolve();
      expect(await late)
        .to.be.instanceOf(ResetError)
        .with.property('reason', 'spec');
      expect(await failure(sandbox.close())).to.be.instanceOf(SandboxError);
      await expectUntouched(stage, db);
    });

    it('refuses work that is no function', () => {
      for (const work of [undefined, {}, 'work'])
        expect(thrownBy(() => sandbox.run(work as never))).to.be.instanceOf(TypeError);
    });
  });
}

describe('an HTTP server with a sandbox for each client, by a header', () => {
  const stage = useTables();
  let db: ResettableKnex;
  let server: Server;
  let origin: string;
  const sandboxes = new Map<string | undefined, Sandbox>();

  async function answer(request: IncomingMessage): Promise<string> {
    for await (const chunk of request) await db.transaction((trx) => trx('t').insert({ id: Number(chunk) }));
    return JSON.stringify(await db('t').pluck('id').orderBy('id'));
  }

  beforeEach(async () => {
    db = stage.resettable({ pool: { max: 10 } });
    server = createServer((request, response) => {
      sandboxes
        .get(request.headers['x-sandbox'] as string)
        ?.run(() => void answer(request).then((text) => response.end(text)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('lets ten tests run at once, and none sees another’s rows', async () => {
    const seen = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const name = `test ${n}`;
        const sandbox = await db.openSandbox({ pinned: false });
        sandboxes.set(name, sandbox);
        const headers = { 'x-sandbox': name };
        for (const body of ['1', String(10 + n)]) await fetch(origin, { method: 'POST', body, headers });
        const rows = await (await fetch(origin, { headers })).json();
        expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] });
        return rows as number[];
      }),
    );
    expect(seen).to.deep.equal(Array.from({ length: 10 }, (_, n) => [1, 10 + n]));
    await expectUntouched(stage, db);
  });
});
