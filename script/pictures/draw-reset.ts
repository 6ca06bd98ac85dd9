// The timeline of a reset of ten connections, from what `record-reset.ts` recorded.
import fs from 'node:fs';
import { FILE, type RecordedReset } from './record-reset';
import { bar, cross, line, picture, ring, text } from './svg';

const LEFT = 150;
const RIGHT = 736;
const TOP = 92;
const ROW = 21;
const BEFORE_MILLIS = 2;

export function drawReset(): string {
  const recorded = JSON.parse(fs.readFileSync(FILE, 'utf8')) as RecordedReset;
  const lastMillis = Math.ceil(recorded.next.answeredAt / 5) * 5;
  const x = (millis: number) => LEFT + ((millis + BEFORE_MILLIS) / (lastMillis + BEFORE_MILLIS)) * (RIGHT - LEFT);
  const bottom = TOP + recorded.connections.length * ROW + 44;
  const parts = [
    text(24, 30, 'A reset of ten connections', 'title'),
    text(24, 49, subtitle(recorded), 'quiet'),
    ...legend(70),
  ];
  for (let millis = 0; millis <= lastMillis; millis += 5) {
    parts.push(line(x(millis), TOP - 4, x(millis), bottom, 'grid'));
    parts.push(text(x(millis), bottom + 16, `${millis} ms`, 'quiet small', 'middle'));
  }
  for (const [index, connection] of recorded.connections.entries()) {
    const y = TOP + index * ROW;
    const { pid, isAsleep, rejectedAt, cancelledAt = 0, endedAt } = connection;
    parts.push(text(LEFT - 12, y + 13, `backend ${pid}`, 'small', 'end'));
    if (isAsleep) {
      parts.push(bar(LEFT, x(cancelledAt), y + 2, 14, 'amber'), bar(x(cancelledAt), x(endedAt), y + 2, 14, 'pale'));
    } else {
      parts.push(bar(LEFT, x(endedAt), y + 2, 14, 'blue'));
    }
    if (rejectedAt !== undefined) parts.push(ring(x(rejectedAt), y + 9));
    if (connection.cancelledAt !== undefined) parts.push(cross(x(cancelledAt), y + 9));
    parts.push(line(x(endedAt), y, x(endedAt), y + 18, 'line'));
  }
  parts.push(...nextQuery(recorded, x, TOP + recorded.connections.length * ROW + 12));
  parts.push(
    line(x(0), TOP - 8, x(0), bottom, 'axis'),
    line(x(recorded.resolvedAt), TOP - 8, x(recorded.resolvedAt), bottom, 'axis'),
    text(x(0), bottom + 34, 'resetConnection()', 'small', 'middle'),
    text(x(recorded.resolvedAt), bottom + 34, 'it resolves', 'small', 'middle'),
  );
  return picture({ width: 760, height: bottom + 50 }, `Timeline. ${subtitle(recorded)}`, parts);
}

function subtitle({ report, resolvedAt }: RecordedReset): string {
  return `${report.abortedTransactions} open transactions, five of them in pg_sleep(60). ${report.closedConnections} connections closed, ${report.forcedConnections} by force, in ${resolvedAt.toFixed(0)} ms.`;
}

function legend(y: number): string[] {
  return [
    bar(24, 40, y - 9, 10, 'amber'),
    text(45, y, 'runs pg_sleep(60)', 'small'),
    bar(156, 172, y - 9, 10, 'blue'),
    text(177, y, 'idle in its transaction', 'small'),
    ring(314, y - 4),
    text(322, y, 'its query rejects', 'small'),
    cross(439, y - 4),
    text(448, y, 'cancelled', 'small'),
    line(516, y - 11, 516, y + 3, 'line'),
    text(522, y, 'session ended (server’s log)', 'small'),
    bar(686, 702, y - 9, 10, 'grey'),
    text(707, y, 'waits', 'small'),
  ];
}

function nextQuery({ next, resolvedAt }: RecordedReset, x: (millis: number) => number, y: number): string[] {
  return [
    text(LEFT - 12, y + 13, 'a query asked now', 'small', 'end'),
    bar(x(0), x(resolvedAt), y + 2, 14, 'grey'),
    bar(x(resolvedAt), x(next.answeredAt), y + 2, 14, 'green'),
    text(x(0) + 6, y + 13, 'waits for the reset', 'small'),
    text(x(resolvedAt) + 5, y + 13, 'connects, runs', 'small'),
  ];
}
