import { afterAll, afterEach, beforeEach, describe, it } from 'vitest';
import suite from './suite.js';

suite({ describe, it, beforeEach, afterEach, afterAll });
