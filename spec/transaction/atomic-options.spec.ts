// What a block may be told: how its transaction is begun, and what is refused before anything is.
import { expect } from 'chai';
import { atomic, resettable } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { type Db, rejection, useStage } from './stage';

describe('atomic() with options', () => {
  const stage = useStage();

  it('refuses a generator function as the block, since calling it would run nothing', async () => {
    const generators = [function* () {}, async function* () {}] as unknown as (() => void)[];
    for (const block of generators) {
      expect((await rejection(stage.db.atomic(block))).message).to.match(/not a generator/);
      expect(await rejection(stage.db.atomic(block))).to.be.instanceOf(TypeError);
    }
    expect(stage.sql).to.deep.equal([]);
  });

  async function settings(trx: { raw: typeof stage.db.raw }): Promise<unknown> {
    const { rows } = await trx.raw(`
      select current_setting('transaction_isolation') as isolation,
        current_setting('transaction_read_only') as read_only, current_setting('transaction_deferrable') as deferrable`);
    return rows[0];
  }

  describe('for BEGIN', () => {
    for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
      it(`begins with the isolation level ${isolation}`, async () => {
        const options = { isolationLevel: isolation };
        expect(await stage.db.atomic(settings, options)).to.include({ isolation, read_only: 'off' });
        expect(await settings(stage.db)).to.include({ isolation: 'read committed' });
      });
    }

    it('begins a read-only transaction', async () => {
      expect(await stage.db.atomic(settings, { readOnly: true })).to.include({ read_only: 'on' });
      const error = await rejection(stage.db.atomic((trx) => trx('t').insert({ id: 1 }) as never, { readOnly: true }));
      expect(error).to.include({ code: '25006' });
    });

    it('begins a deferrable transaction', async () => {
      const options = { isolationLevel: 'serializable', readOnly: true, deferrable: true } as const;
      expect(await stage.db.atomic(settings, options)).to.deep.equal({
        isolation: 'serializable',
        read_only: 'on',
        deferrable: 'on',
      });
    });

    /** Its sessions have it on unless a transaction says otherwise. */
    function withDefault(setting: 'read_only' | 'deferrable'): Db {
      const afterCreate = (connection: { query(sql: string, done: () => void): void }, done: () => void) =>
        connection.query(`set default_transaction_${setting} = on`, done);
      return stage.make({}, { pool: { afterCreate } });
    }

    it('begins a transaction that is not read-only, against the session’s default, and in a block alone', async () => {
      const db = withDefault('read_only');
      expect(await db.atomic(settings, { readOnly: false })).to.include({ read_only: 'off' });
      const isolationLevel = 'serializable';
      expect(await db.atomic(settings, { readOnly: false, isolationLevel })).to.include({
        read_only: 'off',
        isolation: 'serializable',
      });
      expect(await db.atomic(settings)).to.include({ read_only: 'on' });
      expect(await db.transaction(settings, { readOnly: false })).to.include({ read_only: 'on' });
    });

    it('begins a transaction that is not deferrable, against the session’s default', async () => {
      const db = withDefault('deferrable');
      expect(await db.atomic(settings, { deferrable: false })).to.include({ deferrable: 'off' });
      expect(await db.atomic(settings)).to.include({ deferrable: 'on' });
    });

    it('is not called, and leaves nothing open, when the connection breaks at BEGIN', async () => {
      stage.proxy.cutBefore(/DEFERRABLE/);
      let calls = 0;
      const error = await rejection(stage.db.atomic(() => void calls++, { deferrable: true }));
      expect([error.code, error.cause?.code]).to.include('ECONNRESET');
      expect(calls).to.equal(0);
      await stage.idle();
      expect(stage.db.connectionState()).to.deep.include({ transactions: [] });
    });
  });

  describe('on a nested block', () => {
    const refused = [
      { isolationLevel: 'serializable' },
      { readOnly: true },
      { deferrable: true },
      { retry: 2 },
      { retry: { attempts: 2 } },
      { verifyCommit: true },
    ] as const;
    for (const options of refused) {
      it(`refuses ${JSON.stringify(options)}`, async () => {
        let calls = 0;
        await stage.db.atomic(async (trx) => {
          for (const savepoint of [true, false]) {
            const error = await rejection(trx.atomic(() => void calls++, { ...options, savepoint }));
            expect(error).to.be.instanceOf(TypeError);
            expect(error.message).to.include(Object.keys(options)[0]!);
          }
        });
        expect(calls).to.equal(0);
        expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
      });
    }

    it('says which isolation level was given, and nothing of a retry that was not', async () => {
      const messages: string[] = [];
      await stage.db.atomic(async (trx) => {
        for (const options of [{ isolationLevel: 'repeatable read' }, { retry: 2 }] as const)
          messages.push((await rejection(trx.atomic(() => {}, options))).message);
      });
      expect(messages).to.deep.equal([
        "atomic: isolationLevel on a nested block: expected nothing, or what the outermost block has (the default), but was given 'repeatable read'",
        'atomic: retry on a nested block: expected it on the outermost block only',
      ]);
    });

    it('accepts options that the outer one has', async () => {
      const options = { isolationLevel: 'serializable', readOnly: true } as const;
      const inside = await stage.db.atomic((trx) => trx.atomic(settings, options), options);
      expect(inside).to.include({ isolation: 'serializable', read_only: 'on' });
    });

    it('refuses to be read-write in a read only block', async () => {
      const inner = stage.db.atomic((trx) => trx.atomic(() => {}, { readOnly: false }), { readOnly: true });
      expect(await rejection(inner)).to.be.instanceOf(TypeError);
    });

    it('refuses options that a plain transaction around it does not have', async () => {
      const inner = stage.db.transaction((trx) => atomic(trx, () => {}, { isolationLevel: 'serializable' }));
      expect(await rejection(inner)).to.be.instanceOf(TypeError);
    });

    it('accepts options that a plain transaction around it has', async () => {
      const inside = await stage.db.transaction((trx) => atomic(trx, settings, { isolationLevel: 'serializable' }), {
        isolationLevel: 'serializable',
      });
      expect(inside).to.include({ isolation: 'serializable' });
    });
  });

  it('takes an empty label for none: messages would name nothing', async () => {
    const error = await rejection(
      stage.db.atomic((trx) => trx.raw('select pg_sleep(60)'), { label: '', timeoutMillis: 50 }),
    );
    expect(error.message).to.match(/^transaction trx\d+ ran past its timeout of 50 ms$/);
  });

  describe('that are wrong', () => {
    const bad: [string, unknown][] = [
      ['an unknown one', { isolation: 'serializable' }],
      ['no object', 5],
      ['null', null],
      ['an array', []],
      ['a label that is no string', { label: 5 }],
      ['an unknown isolation level', { isolationLevel: 'chaos' }],
      ['a readOnly that is no boolean', { readOnly: 'yes' }],
      ['a deferrable that is no boolean', { deferrable: 1 }],
      ['a durable that is no boolean', { durable: 1 }],
      ['a savepoint that is no boolean', { savepoint: 0 }],
      ['a timeout of 0', { timeoutMillis: 0 }],
      ['a negative timeout', { timeoutMillis: -1 }],
      ['a timeout that is no number', { timeoutMillis: '100' }],
      ['a signal that is none', { signal: {} }],
      ['no attempts', { retry: 0 }],
      ['half an attempt', { retry: 1.5 }],
      ['retry: true', { retry: true }],
      ['retry without attempts', { retry: { when: () => true } }],
      ['an unknown retry option', { retry: { attempts: 2, delay: 5 } }],
      ['a when that is no function', { retry: { attempts: 2, when: true } }],
      ['a negative delay', { retry: { attempts: 2, minDelayMillis: -1 } }],
      ['delays that contradict each other', { retry: { attempts: 2, minDelayMillis: 100, maxDelayMillis: 10 } }],
      ['a verifyCommit that is no boolean', { verifyCommit: 1 }],
      ['hooks that are no object', { hooks: () => {} }],
      ['an unknown hook', { hooks: { afterwards: () => {} } }],
      ['a hook that is no function', { hooks: { afterCommit: 'log' } }],
      ['a timeout below zero without end', { timeoutMillis: Number.NEGATIVE_INFINITY }],
      ['savepoint: false with a timeout', { savepoint: false, timeoutMillis: 100 }],
      ['savepoint: false with a signal', { savepoint: false, signal: new AbortController().signal }],
    ];
    for (const [what, options] of bad) {
      it(`refuses ${what}`, async () => {
        let calls = 0;
        const error = await rejection(stage.db.atomic(() => void calls++, options as never));
        expect(error).to.be.instanceOf(TypeError);
        expect([calls, stage.sql]).to.deep.equal([0, []]);
      });
    }

    it('says that the attempts of a retry are missing', async () => {
      const { message } = await rejection(stage.db.atomic(() => {}, { retry: {} as never }));
      expect(message).to.equal('atomic: retry: attempts is missing');
    });

    for (const block of [undefined, null, 'block', {}, Promise.resolve()]) {
      it(`refuses ${block instanceof Promise ? 'a promise' : JSON.stringify(block)} as a block`, async () => {
        const calls = [stage.db.atomic(block as never), atomic(stage.db, block as never)];
        for (const call of calls) expect(await rejection(call)).to.be.instanceOf(TypeError);
        expect(stage.sql).to.deep.equal([]);
      });
    }

    it('refuses a nested block that is no function, and the outer one goes on', async () => {
      await stage.db.atomic(async (trx) => {
        expect(await rejection(trx.atomic('block' as never))).to.be.instanceOf(TypeError);
        expect(await rejection(trx.atomic(() => {}, { lable: 'x' } as never))).to.be.instanceOf(TypeError);
      });
      expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
    });

    for (const target of [undefined, null, {}, 'db', () => {}]) {
      it(`refuses to run in ${typeof target === 'function' ? 'a function' : JSON.stringify(target)}`, async () => {
        expect(await rejection(atomic(target as never, () => {}))).to.be.instanceOf(TypeError);
      });
    }

    it('refuses to run on what is neither an instance nor a transaction', async () => {
      expect(await rejection(atomic({} as never, () => {}))).to.be.instanceOf(TypeError);
    });

    it('refuses bad hooks of an instance', async () => {
      const plain = makeKnex(stage.database.connection);
      for (const hooks of [5, { afterwards: () => {} }, { afterCommit: 'log' }]) {
        expect(() => resettable(plain, { hooks: hooks as never })).to.throw(TypeError);
      }
      await plain.destroy();
    });
  });
});
