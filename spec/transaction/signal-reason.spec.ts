// A signal's reason may be any value, such as one that a promise would take for another promise.
import { expect } from 'chai';
import { AfterCommitError } from '../../lib';
import { useStage } from './stage';

describe("a signal's reason that has a then()", () => {
  const stage = useStage({ timeoutMillis: 100 });
  const thens: Record<string, PropertyDescriptor> = {
    'which rejects': { value: (_: unknown, reject: (error: unknown) => void) => reject(new Error('from then()')) },
    'which never settles': { value() {} },
    'that cannot be read': {
      get() {
        throw new Error('from the getter');
      },
    },
  };

  /** In an object, since `await` would take it for a promise. */
  const thrownBy = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );

  for (const [title, then] of Object.entries(thens)) {
    // oxlint-disable-next-line unicorn/no-thenable -- that is the point
    const reason = Object.defineProperty({}, 'then', then);

    it(`${title} is what the block rejects with`, async () => {
      const controller = new AbortController();
      const block = stage.db.atomic(
        async (trx) => {
          await trx.raw('insert into t values (1)');
          controller.abort(reason);
          await trx.raw('select 1');
        },
        { signal: controller.signal },
      );
      expect((await thrownBy(block))?.error === reason).to.equal(true);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it(`${title} ends the wait for a hanging afterCommit hook`, async () => {
      const controller = new AbortController();
      const block = stage.db.atomic(
        (trx) => {
          trx.afterCommit(() => {
            controller.abort(reason);
            return new Promise(() => {});
          });
        },
        { signal: controller.signal },
      );
      const error = (await thrownBy(block))?.error as AfterCommitError;
      expect(error).to.be.an.instanceof(AfterCommitError);
      expect(error.errors[0] === reason).to.equal(true);
    });
  }
});
