// The table of states in the design page is the one in the code.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { connectionStateTable, stateTable } from '../../script/state-table';

describe('the design page', () => {
  it('has the table of states and moves that is in the code: `npm run states` prints it', () => {
    const page = fs.readFileSync(path.resolve(__dirname, '..', '..', 'docs', 'design.md'), 'utf8');
    expect(page).to.include(stateTable());
    expect(page).to.include(connectionStateTable());
  });
});
