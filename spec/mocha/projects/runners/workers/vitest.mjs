import { test } from 'vitest';
import { createRequire } from 'node:module';
const { takeAnOrder } = createRequire(import.meta.url)('./db.js');
test('takes an order', takeAnOrder);
