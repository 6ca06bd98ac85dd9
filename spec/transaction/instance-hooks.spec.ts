// Hooks of the instance: for its blocks and its plain transactions.
import { expect } from 'chai';
import type { TransactionHooks } from '../../lib';
import { rejection, useStage } from './stage';

const KINDS = [
  'afterBegin',
  'beforeCommit',
  'afterCommit',
  'afterRollback',
  'onFatal',
  'onRetry',
  'afterUnknown',
] as const;

/** All hooks, each writing its kind into the log. */
function recording(log: unknown[], prefix = ''): TransactionHooks {
  return Object.fromEntries(KINDS.map((kind) => [kind, () => void log.push(prefix + kind)]));
}

describe('the hooks of an instance', () => {
  const stage = useStage();
  let log: unknown[];
  const note = (entry: unknown) => () => void log.push(entry);
  const fail = () => Promise.reject(new Error('undone'));

  beforeEach(() => {
    log = [];
  });

  it('run for its blocks and plain transactions, of copies too', async () => {
    const db = stage.make({ hooks: recording(log) });
    const all = ['afterBegin', 'beforeCommit', 'afterCommit'];
    await db.atomic(() => {});
    expect(log.splice(0)).to.deep.equal(all);
    await db.transaction((trx) => trx.raw('select 1'));
    expect(log.splice(0)).to.deep.equal(all);
    const handle = await db.transaction();
    await handle.commit();
    expect(log.splice(0)).to.deep.equal(all);
    await db.withUserParams({}).transaction((trx) => trx.raw('select 1'));
    expect(log.splice(0)).to.deep.equal(all);
  });

  it('run for plain transactions that are rolled back', async () => {
    const db = stage.make({ hooks: recording(log) });
    await rejection(db.transaction(fail));
    const handle = await db.transaction();
    await handle.rollback();
    expect(log).to.deep.equal(['afterBegin', 'afterRollback', 'afterBegin', 'afterRollback']);
  });

  it('run before those of the block', async () => {
    const db = stage.make({ hooks: recording(log, 'instance ') });
    await db.atomic((trx) => trx.afterCommit(note('registered')), { hooks: recording(log, 'block ') });
    expect(log).to.deep.equal([
      'instance afterBegin',
      'block afterBegin',
      'instance beforeCommit',
      'block beforeCommit',
      'instance afterCommit',
      'block afterCommit',
      'registered',
    ]);
  });
});
