// The states of a transaction and of a connection, with the moves between them, as Markdown from the code.
import { CONNECTION_STATES } from '../lib/connection/state';
import { STATES } from '../lib/transaction/state';

type States = Record<string, { means: string; to: readonly string[] }>;

function tableOf(states: States): string {
  const rows = Object.entries(states).map(
    ([name, { means, to }]) => `| \`${name}\` | ${means} | ${to.map((next) => `\`${next}\``).join(', ') || 'none'} |`,
  );
  return ['| state | what it means | states that may follow |', '| --- | --- | --- |', ...rows].join('\n');
}

export const stateTable = (): string => tableOf(STATES);
export const connectionStateTable = (): string => tableOf(CONNECTION_STATES);
