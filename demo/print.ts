// The words of the story on the screen: aligned, and in colour only where somebody looks.
import path from 'node:path';
import type { OpenTransaction, ResetReport } from '../lib';
import type { TestResult } from './play';

const inColour = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
const paint = (code: number) => (text: string) => (inColour ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = paint(1);
const red = paint(31);
const green = paint(32);
const dim = paint(2);

export function say(text = ''): void {
  console.log(text);
}

export function title(text: string): void {
  say(`\n${bold(text)}`);
}

export function results(tests: TestResult[]): void {
  const width = Math.max(...tests.map((test) => test.title.length));
  for (const { title, durationMillis, error } of tests) {
    const mark = error ? red('✗') : green('✓');
    say(`  ${mark} ${title.padEnd(width)}  ${dim(millis(durationMillis))}${error ? `  ${red(reasonOf(error))}` : ''}`);
  }
  const failed = tests.filter((test) => test.error).length;
  const seconds = tests.reduce((sum, test) => sum + test.durationMillis, 0) / 1000;
  const outcome = `${tests.length - failed} passed, ${failed} failed, ${seconds.toFixed(1)} s`;
  say(`  ${failed > 0 ? red(outcome) : green(outcome)}`);
}

export function report({ abortedTransactions, closedConnections, durationMillis }: ResetReport): void {
  const found = `${count(abortedTransactions.length, 'open transaction')}, ${count(closedConnections, 'connection')}`;
  say(
    `  found ${found}; aborted and closed ${closedConnections === 1 ? 'it' : 'them'} in ${durationMillis.toFixed(1)} ms`,
  );
  for (const transaction of abortedTransactions) victim(transaction);
}

function victim({ id, label, backendId, ageMillis, state, lastSql, stack }: OpenTransaction): void {
  const rows = [
    ['transaction', `${label ?? id}, ${state}, opened ${ageMillis.toFixed(0)} ms before`],
    ['backend', String(backendId)],
    ['last SQL', lastSql ?? 'none'],
    ['opened at', place(stack)],
  ] as const;
  for (const [name, value] of rows) say(`    ${dim(name.padEnd(11))}  ${value}`);
}

/** The first frame of a stack, its file as seen from here. */
function place(stack: string): string {
  const frame = stack.split('\n', 1)[0] ?? '';
  return frame.replace(/^\s*at /, '').replace(process.cwd() + path.sep, '');
}

function reasonOf({ message }: Error): string {
  if (/Timeout of \d+ms exceeded/.test(message)) return 'never came back: mocha gave it up';
  return message
    .replace(/\n[^]*/, '')
    .replace(/^.*? - /, '')
    .replace(/^(Knex: [^.]*\.[^.]*\.).*/, '$1');
}

function millis(value: number): string {
  return `${value.toFixed(0)} ms`.padStart(7);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
