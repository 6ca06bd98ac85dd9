// The benchmark's ratios as bars with their spread, from what `npm run bench` printed.
import fs from 'node:fs';
import { bar, line, picture, text } from './svg';

export const FILE = `${__dirname}/data/benchmark.txt`;

export interface Measure {
  ours: string;
  rival: string;
  /** How many times faster than the rival. */
  speed: number;
  spread: number;
}

const TITLES: Record<string, string> = {
  'select 1, one by one': 'select 1 : with plain Knex',
  'select 1, ten at once': 'ten select 1 at once : with plain Knex',
};
/** Compared with this package itself: what an option costs is told in its page. */
const NOT_SHOWN = /hard reset \+ query$|^select 1, register/;

const LINE = /^(.*?) {2,}([\d.]+ [µm]s) +([\d.]+ [µm]s) +([\d.]+) ±([\d.]+)/;

const LEFT = 300;
const RIGHT = 690;
const TOP = 78;
const ROW = 38;
const TICKS = [0.5, 1, 2, 5, 10, 20, 40];

/** Lines with `ratio ±spread`. Some goals have the ratio the other way round: the two times tell. */
export function measures(printed: string): Measure[] {
  return printed.split('\n').flatMap((each) => {
    const [, name = '', ourTime = '', rivalTime = '', ratio, spread] = LINE.exec(each) ?? [];
    if (!ratio || NOT_SHOWN.test(name)) return [];
    const [ours = '', rival = ''] = (TITLES[name] ?? name).split(' : ');
    const byTimes = micros(rivalTime) / micros(ourTime);
    const [same, inverse] = [Number(ratio), 1 / Number(ratio)];
    const speed = Math.abs(Math.log(same / byTimes)) <= Math.abs(Math.log(inverse / byTimes)) ? same : inverse;
    return [{ ours, rival, speed, spread: (Number(spread) / Number(ratio)) * speed }];
  });
}

function micros(time: string): number {
  return Number.parseFloat(time) * (time.endsWith('ms') ? 1000 : 1);
}

export function drawBenchmark(): string {
  const rows = measures(fs.readFileSync(FILE, 'utf8'));
  const bottom = TOP + rows.length * ROW;
  const x = (speed: number) => {
    const [least, most] = [Math.log(0.5), Math.log(45)];
    return LEFT + ((Math.log(speed) - least) / (most - least)) * (RIGHT - LEFT);
  };
  const parts = [
    text(24, 30, 'How many times faster', 'title'),
    text(
      24,
      49,
      'Median, with its 95 % confidence interval. Right of the line: faster. Logarithmic scale. npm run bench',
      'quiet',
    ),
  ];
  for (const tick of TICKS) {
    parts.push(line(x(tick), TOP - 8, x(tick), bottom, tick === 1 ? 'axis' : 'grid'));
    parts.push(text(x(tick), bottom + 16, `${tick}×`, 'quiet small', 'middle'));
  }
  for (const [index, { ours, rival, speed, spread }] of rows.entries()) {
    const y = TOP + index * ROW;
    parts.push(
      text(24, y + 12, ours),
      text(24, y + 27, `compared: ${rival}`, 'quiet small'),
      bar(Math.min(x(1), x(speed)), Math.max(x(1), x(speed)), y + 6, 16, speed >= 0.98 ? 'green' : 'amber'),
      line(x(speed - spread), y + 14, x(speed + spread), y + 14, 'line'),
      line(x(speed - spread), y + 10, x(speed - spread), y + 18, 'line'),
      line(x(speed + spread), y + 10, x(speed + spread), y + 18, 'line'),
      text(RIGHT + 56, y + 18, `${speed.toPrecision(speed < 1 ? 2 : 3)}×`, '', 'end'),
    );
  }
  return picture(
    { width: 760, height: bottom + 32 },
    'Bars: speed compared with plain Knex and with what is done by hand.',
    parts,
  );
}
