// The table of a transaction's states and moves as Markdown, from the code.
import { STATES } from '../lib/transaction/state';

export function stateTable(): string {
  const rows = Object.entries(STATES).map(
    ([name, { means, to }]) => `| \`${name}\` | ${means} | ${to.map((next) => `\`${next}\``).join(', ') || 'none'} |`,
  );
  return ['| state | what it means | states that may follow |', '| --- | --- | --- |', ...rows].join('\n');
}
