require('./suite')({ describe, it, beforeEach, afterEach, afterAll });
