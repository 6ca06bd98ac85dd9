// An instance after `afterAll`: it answers, and no connection stays idle, by whatever way it became so.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { resetHooks } from '../../lib/mocha';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

type Done = (error: unknown, connection: unknown) => void;

describe('an instance after afterAll', () => {
  const stage = useStage();

  const ended = async (config: Knex.Config = {}): Promise<ResettableKnex> => {
    const db = stage.resettable(config);
    const hooks = resetHooks(db, { isolation: 'sandbox' });
    await hooks.beforeEach();
    await hooks.afterEach();
    await hooks.afterAll();
    return db;
  };
  const leavesNothing = async (db: ResettableKnex) => {
    await until('no connection is left', () => {
      const { idle, inUse, opening } = db.connectionState().connections;
      return Promise.resolve(idle + inUse + opening === 0 || undefined);
    });
    await until('the server has let go', async () => (await stage.database.backends()).length === 0 || undefined);
  };
  /** For `pool.afterCreate`: openings after the sandbox's and the first one take until they are let in. */
  const slowAfterFirst = () => {
    let letIn!: () => void;
    const gate = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    let count = 0;
    const afterCreate = (connection: unknown, done: Done) => {
      if (count++ < 2) done(null, connection);
      else void gate.then(() => done(null, connection));
    };
    return { afterCreate, letIn };
  };

  it('closes a connection that is given back', async () => {
    const db = await ended();
    await db.raw('select 1');
    await db.transaction((trx) => trx.raw('select 1'));
    await leavesNothing(db);
  });

  it('closes those that are opened for queries which another connection has served', async () => {
    const { afterCreate, letIn } = slowAfterFirst();
    const db = await ended({ pool: { afterCreate } });
    await Promise.all([1, 2, 3].map(() => db.raw('select 1')));
    letIn();
    await leavesNothing(db);
  });

  it('closes one that is opened for a query which has given up', async () => {
    const { afterCreate, letIn } = slowAfterFirst();
    const db = await ended({ pool: { afterCreate }, acquireConnectionTimeout: 1000 });
    const trx = await db.transaction();
    await failure(db.raw('select 1'));
    letIn();
    await until('the other one is closed', () => {
      const { idle, opening } = db.connectionState().connections;
      return Promise.resolve(idle + opening === 0 || undefined);
    });
    await trx.rollback();
    await leavesNothing(db);
  });

  it('closes those that are idle when the one that was waited for is closed by its borrower', async () => {
    const { afterCreate, letIn } = slowAfterFirst();
    const db = await ended({ pool: { afterCreate, max: 3 } });
    const dies = () => failure(db.raw('select pg_terminate_backend(pg_backend_pid())'));
    const queries = Promise.all([db.raw('select 1'), db.raw('select 1'), dies()]);
    letIn();
    await queries;
    await leavesNothing(db);
  });

  it('lends what the user checks, however long that takes', async () => {
    let checks = 0;
    const validate = () => {
      checks++;
      return new Promise<boolean>((resolve) => void setTimeout(() => resolve(true), 5));
    };
    const db = await ended({ pool: { validate } as never });
    for (let i = 0; i < 3; i++) await Promise.all([1, 2, 3].map(() => db.raw('select 1')));
    expect(checks).to.be.lessThan(30);
    await leavesNothing(db);
  });

  it('lends again where other hooks go on with it', async () => {
    const db = await ended();
    const hooks = resetHooks(db, { isolation: 'recycle' });
    await hooks.beforeEach();
    await db.raw('select 1');
    await db.raw('select 1');
    expect(db.connectionState().connections).to.include({ idle: 1 });
    await hooks.afterAll();
    await leavesNothing(db);
  });
});
