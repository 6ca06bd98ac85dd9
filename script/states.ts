// npm run states: prints the table of a transaction's states and moves, as it stands in docs/design.md.
import { stateTable } from './state-table';

console.log(stateTable());
