/* oxlint-disable typescript/no-floating-promises, promise/no-callback-in-promise, typescript/no-implied-eval -- tests as people write them */
// What mocha's own features come to.
const { db } = require('./db');

const leak = () => db.transaction().then((trx) => trx.raw('lock table t in access exclusive mode'));

// Other files may have used the instance before, in the same process.
before(() => db.raw('select 1'));

describe('callbacks', () => {
  it('done', (done) => {
    db.raw('select 1').then(() => done(), done);
  });
  it('done at once', (done) => {
    done();
  });
  it('done at once in an async function', async (done) => {
    done();
  });
  it('done in an async function', async (done) => {
    setImmediate(done);
  });
  it('done with an error', (done) => {
    leak().then(() => done(new Error('by done')), done);
  });
  it('done with no Error', (done) => {
    done('a string');
  });
  it('thrown before done', (_done) => {
    throw new Error('thrown');
  });
  it('done twice', (done) => {
    done();
    done();
  });
  it('done, with a leak', (done) => {
    leak().then(() => done(), done);
  });
  it('after callbacks', () => db.raw('truncate t'));
});

// What the hooks make of tests that skip themselves.
describe('skips', () => {
  it('at once', function () {
    this.skip();
  });
  it('later', async function () {
    await leak();
    this.skip();
  });
  it('in a callback', function (_done) {
    setImmediate(() => this.skip());
  });
  it('without a function');
  describe('in a hook', () => {
    beforeEach(function () {
      this.skip();
    });
    it('of the suite', () => {});
  });
  it('after skips', () => db.raw('truncate t'));
});

describe('retries', () => {
  let runs = 0;
  it('until there is no leak', async function () {
    this.retries(2);
    if (++runs < 3) await leak();
  });
  it('ran three times', () => {
    if (runs !== 3) throw new Error(`ran ${runs} times`);
    runs = 0;
  });
  it('in vain', async function () {
    this.retries(1);
    runs++;
    await leak();
  });
  it('ran twice', () => {
    if (runs !== 2) throw new Error(`ran ${runs} times`);
  });
  it('until done without a leak', function (done) {
    this.retries(1);
    if (++runs === 4) done();
    else leak().then(() => done(), done);
  });
});

describe('timeouts', () => {
  afterEach('tidy up', () => db.raw(`set lock_timeout = '1s'; truncate t`));

  it('with a lock held', async function () {
    this.timeout(200);
    await leak();
    await new Promise(() => {});
  });
  it('with a query running', async function () {
    this.timeout(200);
    await db.raw('lock table t in access exclusive mode; select pg_sleep(30)');
  });
  it('in a callback', function (_done) {
    this.timeout(200);
    leak();
  });
  it('after timeouts', () => db.raw(`set lock_timeout = '1s'; truncate t`));
});
