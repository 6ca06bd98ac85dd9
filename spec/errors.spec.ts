// What the errors of this package show of themselves, and that they are known again across two copies of it.
import util from 'node:util';
import { expect } from 'chai';
import * as errors from '../lib/words/errors';
import type { OpenTransaction } from '../lib/words/types';

const transaction: OpenTransaction = {
  id: 'trx7',
  label: undefined,
  backendId: 4711,
  openedAt: new Date(),
  ageMillis: 12,
  depth: 1,
  state: 'idle',
  lastSql: 'insert into "t" ("id") values ($1)',
  stack: 'at main (main.ts:1:1)',
};

type Errors = typeof errors;

/** One of each class, with what its users give. */
function oneOfEach(from: Errors): Record<string, InstanceType<Errors['KnexResetError']>> {
  return {
    ERR_RESET: new from.ResetError({ reason: 'next test', generation: 3, transaction }),
    ERR_TRANSACTION_FAILED: new from.TransactionFailedError('it failed', { cause: new Error('why') }),
    ERR_TRANSACTION_TIMEOUT: new from.TransactionTimeoutError('billing', 50),
    ERR_COMMIT_UNKNOWN: new from.CommitUnknownError('billing', { cause: new Error('why'), xid: '99' }),
    ERR_AFTER_COMMIT: new from.AfterCommitError('billing', [new Error('why')], { stored: 1 }),
    ERR_DURABLE: new from.DurableError('billing'),
    ERR_BLOCK_CONTROL: new from.BlockControlError('by hand'),
    ERR_SANDBOX: new from.SandboxError('escaped'),
    ERR_MIGRATION_LOCK: new from.MigrationLockError('held'),
  };
}

const CLASSES = {
  ERR_RESET: 'ResetError',
  ERR_TRANSACTION_FAILED: 'TransactionFailedError',
  ERR_TRANSACTION_TIMEOUT: 'TransactionTimeoutError',
  ERR_COMMIT_UNKNOWN: 'CommitUnknownError',
  ERR_AFTER_COMMIT: 'AfterCommitError',
  ERR_DURABLE: 'DurableError',
  ERR_BLOCK_CONTROL: 'BlockControlError',
  ERR_SANDBOX: 'SandboxError',
  ERR_MIGRATION_LOCK: 'MigrationLockError',
} as const;

/** As a second installed copy of the package would be loaded. */
function secondCopy(): Errors {
  const files = ['../lib/words/errors', '../lib/words/base-error'].map((name) => require.resolve(name));
  const first = files.map((file) => require.cache[file]);
  for (const file of files) delete require.cache[file];
  try {
    return require(files[0] as string) as Errors;
  } finally {
    for (const [index, file] of files.entries()) require.cache[file] = first[index];
  }
}

describe('the errors', () => {
  for (const [code, name] of Object.entries(CLASSES)) {
    describe(name, () => {
      const error = oneOfEach(errors)[code]!;

      it(`has the code ${code} and its name, and is an Error`, () => {
        expect(error).to.include({ code, name });
        expect(error).to.be.an.instanceof(Error).and.an.instanceof(errors.KnexResetError);
        expect(util.types.isNativeError(error)).to.be.true;
        expect(String(error)).to.equal(`${name}: ${error.message}`);
        expect(error.message).not.to.be.empty;
      });

      it('starts its stack with its name and message', () => {
        expect(error.stack).to.match(/errors\.spec\.ts/);
        expect(error.stack?.split('\n')[0]).to.include(error.message);
      });

      it('is an instance of its class, and of no other', () => {
        for (const other of Object.values(CLASSES)) {
          expect(error instanceof (errors as Errors)[other], other).to.equal(other === name);
        }
      });
    });
  }

  describe('of two copies of the package', () => {
    const copy = secondCopy();

    it('are two classes each', () => {
      expect(copy.ResetError).not.to.equal(errors.ResetError);
      expect(copy.KnexResetError).not.to.equal(errors.KnexResetError);
    });

    it('know each other', () => {
      for (const [code, name] of Object.entries(CLASSES)) {
        for (const [from, to] of [
          [errors, copy],
          [copy, errors],
        ] as const) {
          const error = oneOfEach(from)[code]!;
          expect(error).to.be.an.instanceof(to[name]);
          expect(error).to.be.an.instanceof(to.KnexResetError);
          for (const other of Object.values(CLASSES)) expect(error instanceof to[other]).to.equal(other === name);
        }
      }
    });
  });

  it('do not take other things for theirs', () => {
    const impostor = Object.assign(new Error('mine'), { code: 'ERR_RESET' });
    for (const other of [impostor, new Error('other'), { code: 'ERR_RESET' }, null, undefined, 'ERR_RESET', 5]) {
      expect(other instanceof errors.ResetError).to.be.false;
      expect(other instanceof errors.KnexResetError).to.be.false;
    }
  });

  it('let users extend them', () => {
    class OurError extends errors.KnexResetError {
      constructor() {
        super('ours', 'ERR_OURS');
      }
    }
    expect(new OurError()).to.be.an.instanceof(OurError).and.an.instanceof(errors.KnexResetError);
    expect(new errors.DurableError('x') instanceof OurError).to.be.false;
  });

  it('say of a proxy that throws at every question that it is none of them', () => {
    const refuse = () => {
      throw new Error('no question is answered');
    };
    const hostile: unknown = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse });
    expect(hostile instanceof errors.KnexResetError).to.be.false;
    expect(hostile instanceof errors.ResetError).to.be.false;
  });

  describe('ResetError', () => {
    it('tells reason, generation and transaction, and names the transaction in its message', () => {
      const error = new errors.ResetError({ reason: 'next test', generation: 3, transaction });
      expect(error).to.include({ reason: 'next test', generation: 3, transaction });
      expect(error.message).to.include('trx7').and.include('next test');
      const labelled = new errors.ResetError({
        reason: undefined,
        generation: 1,
        transaction: { ...transaction, label: 'billing' },
      });
      expect(labelled.message).to.include('billing').and.not.include('undefined');
    });
  });

  describe('CommitUnknownError', () => {
    it('tells the cause, and the xid where it is known', () => {
      const cause = new Error('why');
      expect(new errors.CommitUnknownError('x', { cause, xid: '99' })).to.include({ cause, xid: '99' });
      expect(new errors.CommitUnknownError('x', { cause }).xid).to.be.undefined;
    });
  });

  describe('AfterCommitError', () => {
    it('tells that it is committed, what the hooks threw, and the result', () => {
      const thrown = [new Error('one'), new Error('two')];
      const result = { password: 'secret' };
      const error = new errors.AfterCommitError('x', thrown, result);
      expect(error).to.include({ committed: true, errors: thrown, cause: thrown[0], result });
      expect(util.inspect(error)).not.to.include('secret');
    });
  });

  describe('a message that knex prefixes with SQL and bindings', () => {
    it('stays as it was, everywhere that it is shown', () => {
      for (const error of Object.values(oneOfEach(errors))) {
        const { message } = error;
        error.message = `insert into "t" ("password") values ('secret') - ${message}`;
        expect(error.message).to.equal(message);
        for (const shown of [
          error.stack,
          String(error),
          util.inspect(error, { showHidden: true }),
          JSON.stringify(error),
        ]) {
          expect(shown).not.to.include('secret');
        }
      }
    });
  });

  describe('suppress()', () => {
    it('keeps what a SuppressedError of the language has suppressed', () => {
      const [earlier, later] = [new Error('earlier'), new Error('later')];
      const first = Object.assign(new Error('first'), { suppressed: earlier });
      errors.suppress(first, later);
      expect(first.suppressed).to.deep.equal([earlier, later]);
    });

    it('attaches what came later, once, and neither the error itself nor its cause', () => {
      const cause = new Error('cause');
      const first: Error & { suppressed?: unknown[] } = new Error('first', { cause });
      const later = new Error('later');
      for (const each of [later, later, first, cause]) errors.suppress(first, each);
      expect(first.suppressed).to.deep.equal([later]);
    });

    it('does not grow without end on an error that is thrown again and again', () => {
      const first: Error & { suppressed?: unknown[] } = new Error('of a module');
      const laters = Array.from({ length: 1000 }, (_, i) => new Error(`later ${i}`));
      for (const later of laters) errors.suppress(first, later);
      expect(first.suppressed).to.deep.equal(laters.slice(0, 100));
    });

    it('leaves alone what cannot carry it', () => {
      for (const first of ['text', null, undefined, Object.freeze(new Error('frozen'))]) {
        expect(() => errors.suppress(first, new Error('later'))).not.to.throw();
      }
    });
  });
});
