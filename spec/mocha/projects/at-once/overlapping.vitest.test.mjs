import { afterAll, afterEach, beforeEach, it } from 'vitest';
import { resetHooks } from 'knex-reset/mocha';
import overlapping from './overlapping.js';
import { db } from './db.js';

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);

overlapping.suite({ concurrent: it.concurrent, serial: it });
