const { test } = require('node:test');
const { takeAnOrder } = require('./db');
test('takes an order', takeAnOrder);
