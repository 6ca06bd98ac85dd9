// Shows what the import rules allow and forbid, on made-up sources.
import { expect } from 'chai';
import { violations } from './import-rules';

function check(path: string, text: string): string {
  return violations([{ path, text }]).join();
}

describe('import rules', () => {
  const allowed: [path: string, text: string][] = [
    ['resettable.ts', "import { reset } from './reset/reset';"],
    ['index.ts', "export { resettable } from './resettable';"],
    ['reset/reset.ts', "import { a } from '../pool/pool';\nimport { b } from './report';"],
    ['reset/reset.ts', "import type { Block } from '../transaction/block';"],
    ['reset/reset.ts', "import { type A, type B } from '../transaction/block';"],
    ['pool/pool.ts', "import { pg } from '../drivers/pg';\nimport { ResetError } from '../words/errors.js';"],
    ['words/errors.ts', "import { defaults } from './options';"],
    ['knex/fields.ts', "import knex from 'knex';\nclient._ownsPool; connection.__knex__disposed;"],
    ['drivers/pg.ts', 'client._ending;'],
    ['pool/pool.ts', '// knex calls it ._lastChild\n/* __knex__disposed */ const url = "x://y";'],
  ];
  for (const [path, text] of allowed) {
    it(`allow in ${path}: ${text.split('\n')[0]}`, () => expect(check(path, text)).to.equal(''));
  }

  const forbidden: [path: string, text: string, fault: string][] = [
    ['utils.ts', '', 'in no room'],
    ['helpers/a.ts', '', 'in no room'],
    ['pool/pool.ts', "import { reset } from '../reset/reset';", 'above it'],
    ['pool/pool.ts', "import type { Report } from '../reset/report';", 'above it'],
    ['words/types.ts', "import { pg } from '../drivers/pg';", 'above it'],
    ['words/errors.ts', "export * from '../index';", 'above it'],
    ['reset/reset.ts', "import { type A, b } from '../transaction/block';", 'must not know'],
    ['reset/reset.ts', "import {\n  b,\n} from '../transaction/block';", 'must not know'],
    ['reset/reset.ts', "import '../transaction/block';", 'must not know'],
    ['reset/reset.ts', "const { b } = require('../transaction/block');", 'must not know'],
    ['drivers/pg.ts', "const a = await import('../knex/fields');", 'must not know'],
    ['drivers/pg.ts', "import { a } from '../../spec/support/until';", 'outside lib/'],
    ['knex/a.ts', "import Client from 'knex/lib/client';", "knex's inner files"],
    ['reset/reset.ts', 'client?._ending', '_ending'],
    ['reset/reset.ts', "client['_ending']", '_ending'],
    ['drivers/pg.ts', 'connection.__knex__disposed', '__knex__disposed'],
  ];
  for (const [path, text, fault] of forbidden) {
    it(`forbid in ${path}: ${text.replaceAll('\n', ' ')}`, () => expect(check(path, text)).to.include(fault));
  }
});
