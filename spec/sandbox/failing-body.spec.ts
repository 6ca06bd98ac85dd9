// A body of db.sandbox() that fails: its error comes out, and what else was wrong with the sandbox is not lost.
import { expect } from 'chai';
import { ResetError, SandboxError } from '../../lib';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { ids, useTablesToFill } from './stage';

describe('the error of a sandbox’s body', () => {
  const stage = useTablesToFill();
  let db: ResettableKnex;
  const mine = () => new Error('mine') as Error & { suppressed?: unknown[] };

  beforeEach(() => {
    db = stage.resettable();
  });

  it('has the end of the sandbox by the code under test in `suppressed`: what came before it is stored', async () => {
    const error = mine();
    const body = async () => {
      await db('t').insert({ id: 1 });
      await db.raw('commit');
      throw error;
    };
    expect(await failure(db.sandbox(body))).to.equal(error);
    expect(error.suppressed).to.have.lengthOf(1);
    expect(error.suppressed![0]).to.be.instanceOf(SandboxError).with.property('message').that.includes('"commit"');
    expect(await ids(stage)).to.deep.equal([1]);
  });

  it('has a violated constraint there', async () => {
    const error = mine();
    const body = async () => {
      await db('child').insert({ parent_id: 1 });
      throw error;
    };
    expect(await failure(db.sandbox(body))).to.equal(error);
    expect(error.suppressed).to.have.lengthOf(1);
    expect(error.suppressed![0]).to.have.property('code', '23503');
  });

  it('has nothing there where the sandbox was all right', async () => {
    const error = mine();
    expect(await failure(db.sandbox(() => Promise.reject(error)))).to.equal(error);
    expect(error).not.to.have.property('suppressed');
  });

  it('has nothing there that it has caused itself', async () => {
    const body = async () => {
      await db.resetConnection();
      await db('t');
    };
    const error = await failure(db.sandbox(body));
    expect(error).to.be.instanceOf(ResetError).and.not.to.have.property('suppressed');
  });
});
