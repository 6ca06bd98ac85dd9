// A row of the outcome table as the README has it.
import * as api from '../../lib';
import type { Row } from '../transaction/outcome-rows';

const CLASSES = new Map(
  Object.entries(api).flatMap(([name, value]) => ('code' in value ? [[String(value.code), name] as const] : [])),
);

export function outcomeText({ ended, said, gets, cause, suppressed, hooks, connection }: Row): string {
  const details = [
    result(gets),
    cause && `cause: ${result(cause)}`,
    suppressed && 'with ROLLBACK’s error in `suppressed`',
  ];
  const ran = hooks.filter((hook) => hook !== 'afterBegin').map((hook) => `\`${hook}\``);
  const cells = [ended, said, details.filter(Boolean).join(', '), ran.join(', ') || 'none', connection];
  return `| ${cells.join(' | ')} |`;
}

function result(gets: string): string {
  if (gets === 'value') return 'what the block returned';
  if (gets === 'mine') return 'what was thrown';
  return `\`${CLASSES.get(gets) ?? gets}\``;
}
