import { afterAll, aroundEach } from 'vitest';
import { db } from './db.mjs';

aroundEach((runTest) => db.sandbox(runTest));
afterAll(() => db.destroy());
