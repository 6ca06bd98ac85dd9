// What `resettable()` makes of an instance that it was given before, and that was destroyed since.
import { expect } from 'chai';
import { atomic, resettable } from '../lib';
import { failure } from './support/outcome';
import { type ResettableKnex, useStage } from './support/stage';

const METHODS = ['resetConnection', 'atomic', 'sandbox', 'openSandbox', 'connectionState'] as const;

describe('resettable(), given a destroyed instance that it knows', () => {
  const stage = useStage();
  let db: ResettableKnex;

  beforeEach(async () => {
    db = stage.resettable();
    await db.raw('select 1');
    await db.destroy();
  });

  it('returns it unchanged', async () => {
    const methods = METHODS.map((name) => db[name]);
    expect(resettable(db)).to.equal(db);
    expect(METHODS.map((name) => db[name])).to.deep.equal(methods);
    expect(db.client.pool).to.equal(undefined);
    expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
    expect(db.connectionState()).to.include({ generation: 0 });
  });

  it('refuses options, as for one that is not destroyed', () => {
    expect(() => resettable(db, { timeoutMillis: 100 })).to.throw(TypeError, /first time/);
  });

  it('returns one that opens again', async () => {
    const same = resettable(db);
    await same.resetConnection();
    expect((await same.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    expect(await same.atomic(() => 'value')).to.equal('value');
    expect(db.connectionState()).to.deep.include({ generation: 1, transactions: [] });
  });
});

describe('atomic(), given a destroyed instance', () => {
  const stage = useStage();

  for (const what of ['the instance', 'a copy of it'] as const) {
    it(`rejects with knex’s own error, for ${what}`, async () => {
      const db = stage.resettable();
      const asked = what === 'the instance' ? db : db.withUserParams({ a: 1 });
      await asked.raw('select 1');
      await asked.destroy();
      const error = await failure(atomic(asked, () => 'value'));
      expect(error.message).to.include('Unable to acquire a connection');
    });
  }
});
