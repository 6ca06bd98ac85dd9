import { afterAll, afterEach, beforeEach } from 'vitest';
import { resetHooks } from 'knex-reset/mocha';
import { db } from '../db.js';

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);
