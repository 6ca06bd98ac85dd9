// A transaction's handle is made by lib/knex from knex's own: what it may inherit, on plain knex, and that nobody can tell the two apart.
import { expect } from 'chai';
import type { Knex } from 'knex';
import sinon from 'sinon';
import { OF_ONE_CONTEXT, OF_ONE_TRANSACTION } from '../../lib/knex/fast-handle/handle';
import { boundMembers } from '../../lib/knex/fast-handle/fast-handles';
import type { KnexTransaction, TransactionMaker } from '../../lib/knex/transaction-shape';
import { failure } from '../support/outcome';
import { knexBuild, logOf } from '../support/quiet-knex';
import { type ResettableKnex, useStage } from '../support/stage';

type Members = Record<string, unknown>;

const contextOf = (handle: Knex.Transaction) => (handle as unknown as { context: Members }).context;

function membersOf(of: object): string[] {
  const names = new Set<string>();
  for (let each: object = of; each !== Function.prototype && each !== Object.prototype; ) {
    for (const name of Object.getOwnPropertyNames(each)) names.add(name);
    each = Object.getPrototypeOf(each) as object;
  }
  return [...names].sort();
}

function kindsOf(of: object, names: string[]): string[] {
  return names.map((name) => `${name}: ${typeof (of as Members)[name]}`);
}

describe('the handle of a transaction', () => {
  const stage = useStage();
  const backendOf = async (asked: PromiseLike<unknown>) => {
    const answer = (await asked) as { rows: { pid: number }[] } | { pid: number }[];
    return (Array.isArray(answer) ? answer : answer.rows)[0]?.pid;
  };

  describe('of plain knex', () => {
    let plain: Knex;
    let trx: Knex.Transaction;

    beforeEach(async () => {
      plain = stage.knex();
      trx = await plain.transaction();
    });

    afterEach(() => trx.rollback());

    for (const [what, get, ofOne] of [
      ['handle', (handle: Knex.Transaction) => handle, OF_ONE_TRANSACTION],
      ['context', contextOf, OF_ONE_CONTEXT],
    ] as const) {
      it(`has a ${what} whose members go by \`this\`, but for those that lib/knex makes anew`, () => {
        const of = get(trx) as unknown as Members;
        const shared = Object.getOwnPropertyNames(of).filter((name) => !(ofOne as string[]).includes(name));
        expect(shared).to.have.length.above(5);
        expect(boundMembers(of, ofOne)).to.deep.equal([]);
      });
    }

    it('refuses `withUserParams()`, whatever it is', () => {
      expect(() => trx.withUserParams({})).to.throw('Cannot set user params on a transaction');
    });
  });

  describe('of a resettable instance', () => {
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable();
    });

    it('has the members that knex’s has, of the same kinds', async () => {
      const plain = stage.knex();
      const [theirs, ours] = [await plain.transaction(), await db.transaction()];
      const ignored = ['_internalListeners', 'prototype', 'arguments', 'caller'];
      const names = membersOf(theirs).filter((name) => !ignored.includes(name));
      expect(names).to.have.length.above(100);
      expect(kindsOf(ours, names)).to.deep.equal(kindsOf(theirs, names));
      const helpers = membersOf(contextOf(theirs));
      expect(kindsOf(contextOf(ours), helpers)).to.deep.equal(kindsOf(contextOf(theirs), helpers));
      expect([ours.name, ours.length]).to.deep.equal([theirs.name, theirs.length]);
      await Promise.all([ours.rollback(), theirs.rollback()]);
    });

    it('has a client without a pool, as knex’s has, and ends no instance by its destroy()', async () => {
      for (const instance of [stage.knex(), db, db.withUserParams({})]) {
        const trx = await instance.transaction();
        expect(trx.client.pool).to.equal(undefined);
        await trx.destroy();
        await trx.rollback();
        await instance.raw('select 1');
      }
    });

    it('sends queries on its own connection, by each of its members', async () => {
      const [one, other] = [await db.transaction(), await db.transaction()];
      const pid = one.raw('pg_backend_pid() as pid');
      for (const trx of [one, other]) {
        const own = await backendOf(trx.raw('select pg_backend_pid() as pid'));
        const ways: Record<string, PromiseLike<unknown>> = {
          'trx.select()': trx.select(pid),
          'trx.queryBuilder()': trx.queryBuilder().select(pid),
          'trx()': trx('pg_class').select(pid).limit(1),
          'trx.from()': trx.from('pg_class').select(pid).limit(1),
          'trx.schema': trx.schema.raw('select pg_backend_pid() as pid'),
          'trx.fn': trx.select(trx.raw('case when ? is not null then pg_backend_pid() end as pid', [trx.fn.now()])),
          'trx.transaction()': trx.transaction((inner) => inner.select(pid)),
          'trx.savepoint()': trx.savepoint((inner) => inner.select(pid)),
          'trx.transactionProvider()': trx
            .transactionProvider()()
            .then(async (inner) => {
              const answer = await inner.select(pid);
              await inner.commit();
              return answer;
            }),
        };
        for (const [way, asked] of Object.entries(ways)) expect(await backendOf(asked), way).to.equal(own);
      }
      const [first, second] = await Promise.all([one, other].map((trx) => backendOf(trx.select(pid))));
      expect(first).to.be.a('number').that.does.not.equal(second);
      await Promise.all([one.rollback(), other.rollback()]);
    });

    it('emits events of its own queries only, and its instance of all, as on plain knex', async () => {
      const heardOn = async (instance: Knex) => {
        const heard: string[] = [];
        const listen = (who: string, emitter: Knex) =>
          emitter
            .on('start', () => heard.push(`${who} start`))
            .on('query', ({ sql }: { sql: string }) => heard.push(`${who} query ${sql}`))
            .on('query-response', (_response: unknown, { sql }: { sql: string }) => heard.push(`${who} answer ${sql}`))
            .on('query-error', (_error: unknown, { sql }: { sql: string }) => heard.push(`${who} error ${sql}`));
        const [one, other] = [await instance.transaction(), await instance.transaction()];
        listen('one', one);
        listen('other', other);
        listen('instance', instance);
        await one.select(one.raw('1'));
        await other.raw('select nothing').catch(() => {});
        const all = [...heard];
        await Promise.all([one.rollback(), other.rollback()]);
        return all.sort();
      };
      const heard = await heardOn(db);
      expect(heard).to.include.members(['one query select 1', 'one answer select 1', 'other error select nothing']);
      expect(heard).to.deep.equal(await heardOn(stage.knex()));
    });

    for (const [what, ask] of Object.entries({
      'a listener that throws': async (trx: Knex.Transaction) => {
        trx.on('query', () => {
          throw new Error('a listener failed');
        });
        return trx.raw('select 1');
      },
      'another connection': async (trx: Knex.Transaction) => trx.raw('select 1').connection({}),
      'a query after its end': async (trx: Knex.Transaction) => {
        await trx.commit();
        return trx.raw('select 1');
      },
    })) {
      it(`fails for ${what} as knex’s does`, async () => {
        const failureOn = async (instance: Knex) => {
          const trx = await instance.transaction();
          const { message } = await failure(ask(trx));
          await trx.rollback().catch(() => {});
          return message;
        };
        expect(await failureOn(db)).to.equal(await failureOn(stage.knex()));
      });
    }

    for (const control of ['BEGIN', 'SAVEPOINT', 'RELEASE', 'ROLLBACK TO', 'COMMIT', 'ROLLBACK;?$']) {
      it(`settles, and releases its connection, when a listener throws at ${control}`, async () => {
        db = stage.resettable({ pool: { max: 1 }, acquireConnectionTimeout: 1000 });
        let isThrowing = true;
        db.on('query', ({ sql }: { sql: string }) => {
          if (isThrowing && new RegExp(`^${control}`).test(sql)) throw new Error('a listener failed');
        });
        const ends = async (trx: Knex.Transaction) => {
          await trx.transaction((inner) => inner.raw('select 1'));
          await trx.transaction(() => Promise.reject(new Error('inside'))).catch(() => {});
          if (control.startsWith('ROLLBACK;')) throw new Error('mine');
        };
        await db.transaction(ends).catch(() => {});
        await db.atomic(ends).catch(() => {});
        await db.sandbox(() => db.transaction(ends)).catch(() => {});
        isThrowing = false;
        expect((await db.raw('select 1 as n')).rows).to.deep.equal([{ n: 1 }]);
      });
    }

    it('ignores options that are no object', async () => {
      for (const none of [null, undefined, false, 0] as never[])
        expect(await db.transaction((trx) => trx.transaction(async () => 'done', none))).to.equal('done');
    });

    it('works for a dialect whose transactions read their client’s config', async () => {
      const { client } = stage.knex();
      const Dialect = client.constructor as new (config: object) => TransactionMaker;
      const made = client.transaction(() => Promise.resolve(), {}) as PromiseLike<unknown>;
      await made;
      const Plain = made.constructor as new (...args: unknown[]) => object;
      class Curious extends Plain {
        readonly host: unknown;

        constructor(asked: TransactionMaker, ...rest: unknown[]) {
          super(asked, ...rest);
          this.host = (asked.config.connection as { host?: string }).host;
        }
      }
      class CuriousDialect extends Dialect {
        override transaction(...args: unknown[]) {
          return new Curious(this as unknown as TransactionMaker, ...args) as unknown as KnexTransaction;
        }
      }
      const curious = stage.resettable({ client: CuriousDialect as never });
      expect(await curious.transaction(async (trx) => (await trx.raw('select 1 as n')).rows)).to.deep.equal([{ n: 1 }]);
    });

    it('keeps its own listeners and the user’s own fields', async () => {
      const [one, other] = [await db.transaction(), await db.transaction()];
      const stub = sinon.stub(one, 'raw').returns('stubbed' as never);
      Object.assign(one, { select: () => 'assigned', note: 'mine' });
      one.on('query', () => {});
      expect([one.listenerCount('query'), other.listenerCount('query')]).to.deep.equal([1, 0]);
      expect([one.raw('select 1'), one.select()]).to.deep.equal(['stubbed', 'assigned']);
      expect((other as unknown as { note?: string }).note).to.be.undefined;
      const pid = 'pg_backend_pid() as pid';
      expect(await backendOf(other.raw(`select ${pid}`))).to.equal(await backendOf(other.select(other.raw(pid))));
      stub.restore();
      expect(await backendOf(one.raw(`select ${pid}`))).to.be.a('number');
      await Promise.all([one.rollback(), other.rollback()]);
    });

    it('is ended by commit() and rollback() that were taken off it', async () => {
      await db.schema.createTable('taken', (table) => void table.integer('id'));
      const begun = async (work: (trx: Knex.Transaction) => PromiseLike<unknown>) => {
        const trx = await db.transaction();
        await work(trx);
        const ends = trx as unknown as Record<'commit' | 'rollback' | 'isCompleted', (this: void) => unknown>;
        const { commit, rollback, isCompleted } = ends;
        return { commit, rollback, isCompleted };
      };
      await (await begun((trx) => trx('taken').insert({ id: 1 }))).commit();
      const { rollback, isCompleted } = await begun((trx) => trx('taken').del());
      expect(isCompleted()).to.be.false;
      await rollback();
      expect(isCompleted()).to.be.true;
      expect(await db('taken')).to.deep.equal([{ id: 1 }]);
      await db.schema.dropTable('taken');
    });

    it('is ended by the commit() and rollback() that a user has put in their place', async () => {
      const calls: string[] = [];
      const watch = (trx: Knex.Transaction) => {
        for (const name of ['commit', 'rollback'] as const) {
          const end = trx[name];
          trx[name] = (value: unknown) => {
            calls.push(name);
            return end(value);
          };
        }
      };
      expect(await db.transaction(async (trx) => (watch(trx), 'value'))).to.equal('value');
      const failing = db.transaction(async (trx) => {
        watch(trx);
        throw new Error('no');
      });
      expect(await failing.catch((error: Error) => error.message)).to.equal('no');
      expect(calls).to.deep.equal(['commit', 'rollback']);
    });

    it('has the methods that users have added to the builder, also after the first transaction', async () => {
      await db.transaction((trx) => trx.raw('select 1'));
      const { QueryBuilder } = knexBuild();
      const name = 'addedAfterTheFirst';
      (QueryBuilder.extend as (name: string, method: unknown) => void)(name, function (this: Knex.QueryBuilder) {
        return this.select(db.raw('1 as added'));
      });
      try {
        const rows = await db.transaction((trx) => (trx as unknown as Record<string, () => Promise<unknown>>)[name]!());
        expect(rows).to.deep.equal([{ added: 1 }]);
      } finally {
        const Builder = Object.getPrototypeOf(Object.getPrototypeOf(db.queryBuilder())) as Members;
        delete Builder[name];
      }
    });

    it('names the outer transaction, as knex’s does', async () => {
      const plain = stage.knex();
      const around = async (instance: Knex) =>
        instance.transaction((trx) =>
          trx.transaction(async (inner) => (inner as { parentTransaction?: unknown }).parentTransaction === trx),
        );
      // Knex does since 3.2.
      if (await around(plain)) expect(await around(db)).to.be.true;
      expect(await db.transaction(async (trx) => 'parentTransaction' in trx)).to.be.false;
    });

    it('warns of a call without a table, as knex’s does', async () => {
      const plain = stage.knex();
      for (const instance of [plain, db])
        await instance.transaction(async (trx) => void (trx as unknown as () => unknown)());
      expect(logOf(db)).to.deep.equal(logOf(plain)).and.to.have.lengthOf(1);
    });
  });
});
