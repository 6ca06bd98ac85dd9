// Hooks that leave a transaction with a lock, in suites whose tests do not run for it or have run already.
const { db } = require('./db');

const id = 1;
const leak = async () => {
  const trx = await db.transaction();
  trx.executionPromise.catch(() => {});
  await trx('t').insert({ id });
};
const isInnocent = () =>
  it('is innocent', async () => {
    await db('t').insert({ id });
    await db('t').delete();
  });

describe('a before that fails', () => {
  before(async () => {
    await leak();
    throw new Error('a broken fixture');
  });
  it('does not run', () => {});
});
describe('failed before:', isInnocent);

describe('an afterEach that leaks', () => {
  afterEach(leak);
  it('is innocent', () => {});
});
describe('leaking afterEach:', isInnocent);

describe('a before that takes too long', () => {
  before(leak);
  before(async function () {
    this.timeout(300);
    await new Promise(() => {});
  });
  it('does not run', () => {});
});
describe('late before:', isInnocent);
