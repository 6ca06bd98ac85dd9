// Each piece of tarn that lib/knex/tarn.ts relies on, and what its guard makes of them.
import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { forwardTo } from '../../lib/knex/stand-in';
import { type Guards, isTarn, type Tarn, TarnPool } from '../../lib/knex/tarn';
import { failure, never, nextTurn } from '../support/outcome';
import { knexBuild } from '../support/quiet-knex';

interface Settings {
  create?: () => Promise<object>;
  destroy?: (connection: object) => unknown;
  validate?: (connection: object) => boolean;
  max?: number;
  acquireTimeoutMillis?: number;
  createTimeoutMillis?: number;
}

/** The pool class that knex uses, without a database. */
function makeTarn(settings: Settings = {}): Tarn {
  const { pool } = knexBuild()({ client: 'pg', connection: {} }).client as { pool: object };
  const Pool = pool.constructor as new (settings: object) => Tarn;
  return new Pool({ min: 0, max: 2, create: async () => ({}), destroy: async () => {}, ...settings });
}

describe('tarn', () => {
  it('is what knex has in client.pool', () => {
    const { client } = knexBuild()({ client: 'pg', connection: {} });
    expect(isTarn(client.pool)).to.be.true;
    expect(isTarn({ acquire() {}, release() {}, destroy() {} })).to.be.false;
  });

  it('has lent resources in `used` and idle ones in `free`, each as `.resource`', async () => {
    const tarn = makeTarn();
    const connection = await tarn.acquire().promise;
    expect(tarn.used.map(({ resource }) => resource)).to.deep.equal([connection]);
    expect(tarn.free).to.be.empty;
    tarn.release(connection);
    expect(tarn.free.map(({ resource }) => resource)).to.deep.equal([connection]);
    expect(tarn.used).to.be.empty;
    await tarn.destroy();
  });

  it('has its listeners on `emitter`', async () => {
    const tarn = makeTarn();
    const listener = () => {};
    tarn.on('release', listener);
    expect(tarn.emitter).to.be.an.instanceof(EventEmitter);
    expect(tarn.emitter.listeners('release')).to.deep.equal([listener]);
    tarn.removeListener('release', listener);
    expect(tarn.emitter.listeners('release')).to.be.empty;
    await tarn.destroy();
  });

  it('makes, checks and closes by `creator`, `validate` and `destroyer`, read at each use', async () => {
    const tarn = makeTarn();
    const calls: string[] = [];
    Object.assign(tarn, {
      creator: async () => calls.push('create') && {},
      validate: () => calls.push('validate') > 0,
      destroyer: () => calls.push('destroy'),
    });
    tarn.release(await tarn.acquire().promise);
    await tarn.destroy();
    expect(calls).to.deep.equal(['create', 'validate', 'destroy']);
  });

  it('returns a pending operation from acquire() that can be rejected from outside', async () => {
    const tarn = makeTarn({ create: never, createTimeoutMillis: 1 });
    const reason = new Error('from outside');
    const pending = tarn.acquire();
    pending.reject(reason);
    expect(await failure(pending.promise)).to.equal(reason);
    expect(tarn.numPendingAcquires()).to.equal(0);
  });

  it('has acquires under validation in `pendingValidations`', async () => {
    const tarn = makeTarn({ validate: never as never });
    const pending = tarn.acquire();
    pending.promise.catch(() => {});
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(tarn.pendingValidations).to.have.lengthOf(1);
    expect(tarn.numPendingValidations()).to.equal(1);
    pending.reject(new Error('over'));
  });

  it('serves waiting requests by `_tryAcquireOrCreate()`', async () => {
    const tarn = makeTarn({ max: 1 });
    const first = await tarn.acquire().promise;
    const waiting = tarn.acquire().promise;
    tarn.used = [];
    expect(tarn.numPendingAcquires()).to.equal(1);
    tarn._tryAcquireOrCreate();
    expect(await waiting).not.to.equal(first);
    tarn.used = [];
    await tarn.destroy();
  });

  it('gives idle connections to waiting requests by `_doAcquire()`', async () => {
    const tarn = makeTarn({ max: 1 });
    const first = await tarn.acquire().promise;
    const waiting = tarn.acquire();
    expect(tarn.pendingAcquires).to.deep.equal([waiting]);
    expect(waiting).to.have.property('isRejected', false);
    tarn.free = tarn.used;
    tarn.used = [];
    tarn._doAcquire();
    expect(await waiting.promise).to.equal(first);
    tarn.release(first);
    await tarn.destroy();
  });

  it('has its methods on its class', () => {
    const methods = Object.getPrototypeOf(makeTarn()) as Tarn;
    for (const name of ['acquire', 'release', 'destroy', 'on', 'removeListener', 'removeAllListeners'] as const) {
      expect(methods[name], name).to.be.a('function');
    }
    for (const name of ['numUsed', 'numFree', 'numPendingAcquires', 'numPendingCreates'] as const) {
      expect(methods[name], name).to.be.a('function');
    }
  });
});

describe('TarnPool', () => {
  it('wraps making, checking and closing', async () => {
    const calls: string[] = [];
    const tarn = makeTarn();
    const pool = new TarnPool(tarn, {
      create: (make) => {
        calls.push('create');
        return make();
      },
      opened: () => {},
      isFit: () => false,
      validate: (connection, check) => calls.push('validate') > 0 && check(connection),
      destroy: async () => calls.push('destroy'),
    });
    pool.release(await pool.acquire().promise);
    await tarn.destroy();
    expect(calls).to.deep.equal(['create', 'validate', 'destroy']);
  });

  it('gives a connection that is fit to the request that waits, without a check', async () => {
    let checks = 0;
    const pool = new TarnPool(makeTarn({ max: 1 }), {
      create: (make) => make(),
      opened: () => {},
      isFit: () => checks === 0,
      validate: () => ++checks > 0,
      destroy: async (connection, close) => close(connection),
    });
    const first = await pool.acquire().promise;
    const [second, third] = [pool.acquire().promise, pool.acquire().promise];
    pool.release(first);
    expect(await second).to.equal(first);
    expect(checks).to.equal(0);
    checks = 1;
    pool.release(first);
    expect(await third).to.equal(first);
    expect(checks).to.equal(2);
    pool.dismiss();
  });

  it('passes over a request that has just given up, and serves the next one', async () => {
    const tarn = makeTarn({ max: 1 });
    const pool = new TarnPool(tarn, {
      create: (make) => make(),
      opened: () => {},
      isFit: () => true,
      validate: () => true,
      destroy: async (connection, close) => close(connection),
    });
    const first = await pool.acquire().promise;
    const [given, next] = [pool.acquire(), pool.acquire()];
    const givenUp = failure(given.promise);
    given.reject(new Error('given up'));
    while (tarn.pendingAcquires[0]?.isRejected === false) await Promise.resolve();
    expect(tarn.pendingAcquires[0]).to.equal(given);
    pool.release(first);
    expect(await givenUp).to.have.property('message', 'given up');
    expect(await next.promise).to.equal(first);
    pool.dismiss();
  });

  it('forgets a connection that is closed elsewhere, and gives its place to a waiting request', async () => {
    const pool = new TarnPool(makeTarn({ max: 1 }));
    const first = await pool.acquire().promise;
    const waiting = pool.acquire().promise;
    pool.remove(first);
    expect(await waiting)
      .to.be.an('object')
      .and.not.equal(first);
    expect(pool.residents().used).to.have.lengthOf(1);
    pool.dismiss();
  });

  it('is empty once it is cleared, has no timer, and lends again', async () => {
    const tarn = makeTarn();
    const pool = new TarnPool(tarn);
    const connection = await tarn.acquire().promise;
    expect(pool.clear()).to.be.false;
    tarn.release(connection);
    expect(tarn).to.have.property('interval').that.is.an('object');
    expect(pool.clear()).to.be.true;
    expect(pool.residents()).to.deep.equal({ used: [], free: [] });
    expect(tarn).to.have.property('interval', null);
    const next = await tarn.acquire().promise;
    expect(next).not.to.equal(connection);
    tarn.release(next);
    await tarn.destroy();
  });

  it('is not cleared while something is under way', async () => {
    let opened: (connection: object) => void = () => {};
    const opening = new Promise<object>((resolve) => {
      opened = resolve;
    });
    const tarn = makeTarn({ create: () => opening, max: 1 });
    const pool = new TarnPool(tarn);
    const waiting = tarn.acquire().promise;
    expect(pool.clear()).to.be.false;
    opened({});
    tarn.release(await waiting);
    expect(pool.clear()).to.be.true;
    await tarn.destroy();
  });

  it('is empty once it is dismissed, lends nothing, and has no timer', async () => {
    const closed: object[] = [];
    const pool = new TarnPool(makeTarn({ destroy: (connection) => closed.push(connection), acquireTimeoutMillis: 20 }));
    const lent = await pool.acquire().promise;
    const idle = await pool.acquire().promise;
    pool.release(idle);
    pool.dismiss();
    expect([pool.numUsed(), pool.numFree()]).to.deep.equal([0, 0]);
    expect(pool.release(lent)).to.be.false;
    await failure(pool.acquire().promise);
    expect(closed).to.be.empty;
    expect(process.getActiveResourcesInfo()).not.to.include('Interval');
  });

  it('goes on with the listeners and the numbers of an earlier one', async () => {
    const heard: unknown[][] = [];
    const [first, second] = [makeTarn(), makeTarn()];
    const pools = [new TarnPool(first), new TarnPool(second)] as const;
    pools[0].listeners.on('createRequest', (number) => heard.push(['createRequest', number]));
    pools[0].release(await pools[0].acquire().promise);
    pools[1].succeed(pools[0]);
    pools[1].listeners.on('release', () => heard.push(['release']));
    pools[1].release(await pools[1].acquire().promise);
    expect(heard).to.deep.equal([['createRequest', 2], ['createRequest', 4], ['release']]);
    for (const pool of pools) pool.dismiss();
  });

  for (const isGuarded of [false, true])
    it(`tells of what is closed elsewhere, and of its end, what tarn tells${isGuarded ? ', under guard' : ''}`, async () => {
      const told: unknown[][][] = [];
      for (const isElsewhere of [false, true]) {
        const tarn = makeTarn();
        const destroy: Guards['destroy'] = async (connection, close) => close(connection);
        const guards: Guards = {
          create: (make) => make(),
          opened() {},
          isFit: () => true,
          validate: () => true,
          destroy,
        };
        const pool = new TarnPool(tarn, isGuarded ? guards : undefined);
        const heard: unknown[][] = [];
        for (const event of [
          'release',
          'destroyRequest',
          'destroySuccess',
          'poolDestroyRequest',
          'poolDestroySuccess',
          'stopReaping',
        ])
          pool.listeners.on(event, (...args) =>
            heard.push([event, ...args.map((arg) => (typeof arg === 'object' ? 'it' : arg))]),
          );
        const connection = await pool.acquire().promise;
        if (isElsewhere) {
          const tellEnded = pool.tellEnd();
          pool.tellClosing(connection, true)?.();
          tellEnded();
          pool.dismiss();
        } else {
          const destroyed = tarn.destroy();
          tarn.release(connection);
          await destroyed;
        }
        told.push(heard);
      }
      expect(told[0]).to.have.lengthOf(6);
      expect(told[1]).to.deep.equal(told[0]);
    });

  it('numbers its events by `eventId`', async () => {
    const tarn = makeTarn();
    const numbers: unknown[] = [];
    tarn.on('acquireRequest', (number) => numbers.push(number));
    tarn.eventId = 7;
    tarn.release(await tarn.acquire().promise);
    expect(numbers).to.deep.equal([7]);
    expect(tarn.eventId).to.equal(9);
    await tarn.destroy();
  });

  it('closes by `_destroy` what it has let go of', async () => {
    const closed: object[] = [];
    const tarn = makeTarn();
    tarn._destroy = async (connection) => closed.push(connection);
    const connection = await tarn.acquire().promise;
    tarn.release(connection);
    await tarn.destroy();
    expect(closed).to.deep.equal([connection]);
    expect(tarn).to.have.property('destroyed', true);
  });

  it('forwards calls on the object to another pool, and still works itself', async () => {
    const tarn = makeTarn();
    const pool = new TarnPool(tarn);
    const asked: string[] = [];
    const target = { numUsed: () => asked.push('numUsed'), acquire: () => asked.push('acquire') };
    forwardTo(tarn, target);
    tarn.numUsed();
    void tarn.acquire();
    expect(asked).to.deep.equal(['numUsed', 'acquire']);
    const connection = await pool.acquire().promise;
    expect(pool.numUsed()).to.equal(1);
    expect(pool.release(connection)).to.be.true;
    pool.dismiss();
  });

  it('is empty once it is dismissed, although another pool is asked instead', async () => {
    const tarn = makeTarn();
    const pool = new TarnPool(tarn);
    forwardTo(tarn, { numPendingValidations: () => 1 });
    pool.dismiss();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(process.getActiveResourcesInfo()).not.to.include('Interval');
    expect(tarn).to.have.property('destroyed', true);
  });
});
