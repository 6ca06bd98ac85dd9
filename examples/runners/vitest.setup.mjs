import { resetHooks } from 'knex-reset/testing';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { db } from './db.mjs';

const hooks = resetHooks(db, { isolation: 'sandbox' });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);
