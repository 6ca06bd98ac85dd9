// The error of a leaking test: what it left open, and where that was opened.
import { quoted, shown } from '../words/describe';
import type { LeakReport, OpenTransaction } from '../words/types';

/** Not one of the package's errors: a failed assertion about the test. No program needs its code. */
export function leakError(title: string, leaks: LeakReport): Error {
  const message = leakMessage(title, leaks);
  const error = new Error(message);
  error.name = 'LeakError';
  // No frames of our own: those in the message are the first that reporters and editors find, and lead the user to the leak.
  error.stack = `${error.name}: ${message}`;
  return error;
}

export function leakMessage(title: string, { transactions, queries }: LeakReport): string {
  const counts = [count(transactions.length, 'transaction open'), count(queries.length, 'query running')];
  const items = [
    ...transactions.map((transaction) => describeTransaction(transaction)),
    ...queries.map(({ sql, stack }) => `query: ${shown(sql) || 'unknown'}${indented(stack, 6)}`),
  ];
  return `${quoted(title)} left ${counts.filter(Boolean).join(' and ')}${items.map((item) => `\n  - ${item}`).join('')}`;
}

function describeTransaction({ id, label, ageMillis, lastSql, stack }: OpenTransaction): string {
  return `transaction ${shown(label ?? id)}, open for ${ageMillis} ms, last SQL: ${shown(lastSql ?? 'none')}${indented(stack, 6)}`;
}

function count(number: number, what: string): string {
  if (number === 0) return '';
  const [noun, state] = what.split(' ');
  const plural = number > 1 ? (noun === 'query' ? 'queries' : `${noun}s`) : noun;
  return `${number} ${plural} ${state}`;
}

/** The frames of the user's own files, where there are some: those of the runner lead nowhere. */
function indented(stack: string, by: number): string {
  const lines = stack.split('\n').filter((line) => line !== '');
  const own = lines.filter((line) => !/[\\/]node_modules[\\/]|\(?node:|\(<anonymous>\)$/.test(line));
  return (own.length > 0 ? own : lines).map((line) => `\n${' '.repeat(by)}${line}`).join('');
}
