// Turns on a sandbox's connection, where the order matters that a real one would have to be caught in.
import { expect } from 'chai';
import type { TurnHolder } from '../../lib/connection/mutex';
import { SavepointMutex } from '../../lib/connection/savepoint-mutex';
import { SandboxError } from '../../lib';
import { type Deferred, defer } from '../../lib/words/waiting';
import { failure, never, outcome } from '../support/outcome';
import { until } from '../support/until';

const WAIT_MILLIS = 50;

describe('SavepointMutex', () => {
  const always = () => {};
  const holder = (what: string): TurnHolder => ({ describe: () => ({ what, stack: `at ${what}.ts:1:1` }) });
  const anybody = holder('anybody');
  let sent: string[];
  let silences: Error[];
  let quiet: Deferred<void>;
  let connection: ConstructorParameters<typeof SavepointMutex>[0] & {
    isQuiet: boolean;
    status: string;
  };
  let mutex: SavepointMutex;

  beforeEach(() => {
    sent = [];
    silences = [];
    quiet = defer();
    connection = {
      status: 'open',
      isQuiet: true,
      lastSql: 'select 1',
      sendAll: (statements) => Promise.resolve(sent.push(...statements)),
      whenQuiet: () => quiet.promise,
    };
    mutex = new SavepointMutex(connection, {
      hasSavepoint: true,
      waitMillis: WAIT_MILLIS,
      timeoutMillis: WAIT_MILLIS,
      onEscape: always,
      onSilence: (error) => silences.push(error),
    });
  });

  it('gives a query the unused savepoint at once', () => {
    expect(mutex.takeForQuery(anybody, always)).to.equal(undefined);
    expect(sent).to.deep.equal([]);
  });

  it('grants turns in the order of the calls', async () => {
    const order: string[] = [];
    void mutex.takeForQuery(anybody, always);
    let end!: () => void;
    const later = [
      mutex.take(anybody).then((given) => {
        end = given;
        order.push('statement');
      }),
      mutex.takeForQuery(anybody, always)?.then(() => order.push('query')),
      mutex
        .finish(anybody)
        .then((send) => send([]))
        .then(() => order.push('end')),
    ];
    for (const next of ['statement', 'query', 'end']) {
      expect(order).not.to.include(next);
      if (next === 'query') end();
      else await mutex.endQuery();
      await later.shift();
      expect(order.at(-1)).to.equal(next);
    }
  });

  it('passes the turn on when one of them is refused', async () => {
    void mutex.takeForQuery(anybody, always);
    const refusal = new Error('no');
    const refused = mutex
      .takeForQuery(anybody, () => {
        throw refusal;
      })
      ?.catch((error: unknown) => error);
    const next = mutex.take(anybody);
    void mutex.endQuery();
    expect(await refused).to.equal(refusal);
    (await next)();
  });

  it('refuses a query for what came while its savepoint was set, not for what that made of the savepoint', async () => {
    void mutex.takeForQuery(anybody, always);
    void mutex.endQuery();
    const refusal = new Error('a reset came');
    let came = false;
    connection.sendAll = () => {
      came = true;
      return Promise.reject(new Error('the savepoint was cancelled'));
    };
    const refused = mutex.takeForQuery(anybody, () => {
      if (came) throw refusal;
    });
    expect(await refused?.catch((error: unknown) => error)).to.equal(refusal);
    (await mutex.take(anybody))();
  });

  it('undoes a failed query once the connection is ready, before the next', async () => {
    void mutex.takeForQuery(anybody, always);
    Object.assign(connection, { isQuiet: false, status: 'unknown' });
    const ended = mutex.endQuery();
    const next = mutex.take(anybody);
    Object.assign(connection, { isQuiet: true, status: 'failed' });
    expect(sent).to.deep.equal([]);
    quiet.resolve();
    await ended;
    await next;
    expect(sent).to.deep.equal(['ROLLBACK TO SAVEPOINT sandbox', 'RELEASE SAVEPOINT sandbox']);
  });

  it('runs a transaction’s statement in its turn, and ends the turn also where it fails', async () => {
    const failing = mutex.run(anybody, () => Promise.reject(new Error('no')));
    const next = mutex.run(anybody, () => Promise.resolve(sent.push('next')));
    expect(await failure(failing)).to.have.property('message', 'no');
    await next;
    expect(sent).to.deep.equal(['RELEASE SAVEPOINT sandbox', 'next']);
  });

  describe('when a turn does not end in time', () => {
    it('rejects each waiter with the holder and where that was opened, and counts it until then', async () => {
      void mutex.takeForQuery(holder('the first'), always);
      const waiting = [
        mutex.take(anybody),
        mutex.takeForQuery(anybody, always),
        mutex.finish(anybody),
        mutex.run(anybody, never),
      ].map((asked) => failure(asked as Promise<unknown>));
      expect(mutex.waiting).to.equal(4);
      for (const error of await Promise.all(waiting)) {
        expect(error).to.be.instanceOf(SandboxError);
        expect(error.message).to.include('held by the first, opened at the first.ts:1:1').and.to.include('50 ms');
      }
      expect(mutex.waiting).to.equal(0);
      expect(sent).to.deep.equal([]);
    });

    it('grants the turn to the next request after it has ended', async () => {
      void mutex.takeForQuery(anybody, always);
      await failure(mutex.take(anybody));
      void mutex.endQuery();
      (await mutex.take(anybody))();
    });
  });

  describe('when the server does not answer', () => {
    for (const [statement, ask] of [
      ['RELEASE', () => mutex.take(anybody)],
      [
        'SAVEPOINT',
        async () => {
          void mutex.takeForQuery(anybody, always);
          await mutex.endQuery();
          await mutex.takeForQuery(anybody, always);
        },
      ],
    ] as [string, () => Promise<unknown>][]) {
      it(`to a ${statement} of its own in time, rejects all, and sends nothing more`, async () => {
        connection.sendAll = never;
        const asked = failure(ask());
        await until('it is sent', () => silences.length > 0);
        expect(await asked).to.equal(silences[0]);
        expect(await failure(mutex.take(anybody))).to.equal(silences[0]);
      });
    }

    it('to its ROLLBACK TO in time, rejects the next one', async () => {
      void mutex.takeForQuery(anybody, always);
      connection.sendAll = never;
      Object.assign(connection, { status: 'failed', isQuiet: false });
      quiet.resolve();
      await mutex.endQuery();
      expect(await failure(mutex.take(anybody)))
        .to.be.instanceOf(SandboxError)
        .and.to.equal(silences[0]);
    });
  });

  it('rejects waiting and later requests once it is closed, and sends nothing', async () => {
    void mutex.takeForQuery(anybody, always);
    const ask = () => [mutex.take(anybody), mutex.takeForQuery(anybody, always), mutex.finish(anybody)];
    const waiting = ask();
    const reason = new Error('a reset');
    mutex.close(reason);
    mutex.close(new Error('later'));
    void mutex.endQuery();
    for (const asked of [...waiting, ...ask()])
      expect(await outcome(asked as Promise<unknown>)).to.deep.equal({ error: reason });
    expect(sent).to.deep.equal([]);
  });

  it('sends nothing when it is closed between a turn and its start', async () => {
    void mutex.takeForQuery(anybody, always);
    const next = mutex.take(anybody);
    void mutex.endQuery();
    const reason = new Error('a reset');
    mutex.close(reason);
    expect(await outcome(next)).to.deep.equal({ error: reason });
    expect(await outcome(mutex.takeForQuery(anybody, always) as Promise<void>)).to.deep.equal({ error: reason });
    expect(sent).to.deep.equal([]);
  });

  it('undoes nothing that was still running when it was closed', async () => {
    void mutex.takeForQuery(anybody, always);
    Object.assign(connection, { isQuiet: false, status: 'unknown' });
    const ended = mutex.endQuery();
    mutex.close(new Error('a reset'));
    Object.assign(connection, { isQuiet: true, status: 'failed' });
    quiet.resolve();
    await ended;
    expect(sent).to.deep.equal([]);
  });
});
