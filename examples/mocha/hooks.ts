// The root hooks: each test in a sandbox of its own. `mocha --require ./hooks.ts`
import { resetHooks } from 'knex-reset/mocha';
import { db } from './bank';

export const mochaHooks = resetHooks(db, { isolation: 'sandbox' });
