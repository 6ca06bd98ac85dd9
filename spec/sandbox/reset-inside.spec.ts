// A reset while a sandbox is open: it ends the sandbox, and nothing asked in it reaches the database afterwards.
import { expect } from 'chai';
import { ResetError, SandboxError } from '../../lib';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, useTables } from './stage';

describe('a reset in a sandbox', () => {
  const stage = useTables();
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable();
  });

  const ASKS: Record<string, () => Promise<unknown>> = {
    'a query': async () => db('t').insert({ id: 1 }),
    'a transaction': () => db.transaction((trx) => trx('t').insert({ id: 1 })),
    'a transaction by handle': () => db.transaction(),
    'a block': () => db.atomic((trx) => trx('t').insert({ id: 1 })),
    'a stream': async () => {
      for await (const row of db('t').stream()) expect(row).to.be.an('object');
    },
    'a connection taken by hand': () => db.client.acquireConnection() as Promise<unknown>,
  };

  for (const [what, ask] of Object.entries(ASKS)) {
    for (const connections of ['close', 'recycle'] as const) {
      it(`refuses ${what} with its ResetError until the sandbox is closed (${connections})`, async () => {
        const sandbox = await db.openSandbox();
        await db('t').insert({ id: 9 });
        await db.resetConnection({ reason: 'in between', connections });
        expect(await failure(ask()))
          .to.be.instanceOf(ResetError)
          .with.property('reason', 'in between');
        expect(await failure(sandbox.close())).to.be.instanceOf(SandboxError);
        await expectUntouched(stage, db);
        expect(await db('t')).to.be.empty;
      });
    }
  }

  it('refuses queries in the body of sandbox() as well, which decides the error', async () => {
    const error = await failure(
      db.sandbox(async () => {
        await db.resetConnection({ reason: 'in the body' });
        await db('t').insert({ id: 1 });
      }),
    );
    expect(error).to.be.instanceOf(ResetError);
    await expectUntouched(stage, db);
  });
});
