const { after, afterEach, beforeEach, describe, it } = require('node:test');

require('./suite')({ describe, it, beforeEach, afterEach, afterAll: after });
