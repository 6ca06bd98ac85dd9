const { takeAnOrder } = require('./db');
it('takes an order', takeAnOrder);
