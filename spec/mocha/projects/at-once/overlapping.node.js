const { after, afterEach, beforeEach, describe, it } = require('node:test');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');
const { suite } = require('./overlapping');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

const later = [];
describe('at once', { concurrency: true }, () => {
  suite({ concurrent: it, serial: (...test) => later.push(test) });
});
describe('later', () => {
  for (const test of later) it(...test);
});
