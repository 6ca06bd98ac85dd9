// npm run states: prints the tables of states and moves, as they stand in docs/design.md.
import { connectionStateTable, stateTable } from './state-table';

console.log(`${stateTable()}\n\n${connectionStateTable()}`);
