import test from 'ava';
import { resetHooks } from 'knex-reset/mocha';
import overlapping from './overlapping.js';
import { db } from './db.js';

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
test.beforeEach(hooks.beforeEach);
test.afterEach.always(hooks.afterEach);
test.after.always(hooks.afterAll);

const passing = (title, body) => [
  title,
  async (t) => {
    await body();
    t.pass();
  },
];
// Ava runs serial tests first.
overlapping.suite({
  concurrent: (...given) => test(...passing(...given)),
  serial: (...given) => test.serial(...passing(...given)),
});
