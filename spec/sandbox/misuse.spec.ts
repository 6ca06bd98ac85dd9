// Sandboxes where they cannot work, and arguments that they do not take.
import { expect } from 'chai';
import { SandboxError, type SandboxOptions } from '../../lib';
import { failure } from '../support/outcome';
import { expectUntouched, pidOf, KINDS, useTables } from './stage';

describe('sandboxes', () => {
  const stage = useTables();

  for (const [outer, runOuter] of KINDS) {
    for (const [inner, runInner] of KINDS) {
      it(`${inner} inside ${outer} is refused, and the outer one goes on`, async () => {
        const db = stage.resettable();
        await runOuter(db, async () => {
          const error = await failure(runInner(db, async () => {}));
          expect(error).to.be.instanceOf(SandboxError);
          expect(error.message).to.match(/sandbox/);
          await db('t').insert({ id: 1 });
          expect(await db('t')).to.have.lengthOf(1);
        });
        await expectUntouched(stage, db);
      });
    }
  }

  for (const [kind, run] of KINDS) {
    it(`${kind} inside a block of its own sandbox is refused`, async () => {
      const db = stage.resettable();
      await run(db, () =>
        db.atomic(async () => {
          expect(await failure(db.openSandbox())).to.be.instanceOf(SandboxError);
          expect(await failure(db.sandbox(() => {}))).to.be.instanceOf(SandboxError);
        }),
      );
    });

    it(`${kind} inside a block of an ambient instance is refused`, async () => {
      const db = stage.resettable({}, { ambient: true });
      const error = await failure(db.atomic(() => run(db, async () => {})));
      expect(error).to.be.instanceOf(SandboxError);
      expect(error.message).to.include('block');
      await expectUntouched(stage, db);
    });

    it(`${kind} inside a block that is not ambient is independent of it`, async () => {
      const db = stage.resettable();
      await db.atomic(async (trx) => {
        const outside = await pidOf(trx as never);
        await run(db, async () => expect(await pidOf(db)).not.to.equal(outside));
      });
    });

    it(`${kind} works on an ambient instance`, async () => {
      const db = stage.resettable({}, { ambient: true });
      await run(db, async () => {
        await db.atomic(async () => {
          await db('t').insert({ id: 1 });
          await db.atomic(() => db('t').insert({ id: 2 }));
        });
        expect(await db('t')).to.have.lengthOf(2);
      });
      await expectUntouched(stage, db);
    });
  }

  it('opens one of two that are requested at once', async () => {
    const db = stage.resettable();
    const outcomes = await Promise.allSettled([db.openSandbox(), db.openSandbox()]);
    const opened = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    expect(opened).to.have.lengthOf(1);
    expect(refused[0]).to.be.instanceOf(SandboxError);
    await db('t').insert({ id: 1 });
    await opened[0]!.close();
    await expectUntouched(stage, db);
  });

  it('rejects when it gets no connection, and leaves nothing behind', async () => {
    const db = stage.resettable({ connection: { ...stage.database.connection, database: 'nowhere' } });
    for (const [, run] of KINDS) expect(await failure(run(db, async () => {}))).to.include({ code: '3D000' });
    expect(await failure(db.raw('select 1'))).to.include({ code: '3D000' });
  });

  for (const given of [{ checkConstraint: false }, { checkConstraints: 1 }, 'yes', null, 5, []]) {
    it(`refuses ${JSON.stringify(given)} as options`, async () => {
      const db = stage.resettable();
      const options = given as SandboxOptions;
      expect(await failure(db.openSandbox(options))).to.be.instanceOf(TypeError);
      expect(await failure(db.sandbox(() => {}, options))).to.be.instanceOf(TypeError);
      expect(db.connectionState().connections).to.include({ idle: 0, inUse: 0 });
    });
  }

  it('refuses a body that is no function', async () => {
    const db = stage.resettable();
    expect(await failure(db.sandbox({} as never)))
      .to.be.instanceOf(TypeError)
      .with.property('message')
      .that.includes('body');
  });

  it('ignores what a runner passes to its hooks', async () => {
    const db = stage.resettable();
    for (const given of [() => {}, new (class Context {})()]) {
      const sandbox = await db.openSandbox(given as never);
      await sandbox.close();
    }
  });
});
