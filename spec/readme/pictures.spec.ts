// That the pictures are those that the data gives, and that the figures about speed in the pages are the benchmark's.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { PICTURES } from '../../script/pictures/draw';
import { FILE } from '../../script/pictures/draw-benchmark';
import { documents, ROOT } from './readme-text';

const written = documents.map(({ text }) => text).join('\n');
const printed = fs.readFileSync(FILE, 'utf8');

describe('the pictures', () => {
  for (const [name, draw] of Object.entries(PICTURES)) {
    it(`${name} is what npm run pictures draws, and a page shows it`, () => {
      expect(fs.readFileSync(path.join(ROOT, 'docs', 'pictures', name), 'utf8')).to.equal(draw());
      expect(written).to.include(`pictures/${name})`);
    });
  }
});

describe('the figures about speed', () => {
  const alone = eachMillis('no isolation');
  const figures: [what: string, told: RegExp, measured: number][] = [
    ['a test in a sandbox', /a test in a sandbox about ([\d.]+) ms/, eachMillis("isolation 'sandbox'")],
    ["isolation 'sandbox'", /about ([\d.]+) ms: BEGIN/, eachMillis("isolation 'sandbox'") - alone],
    ["isolation 'recycle'", /about ([\d.]+) ms: one round trip/, eachMillis("isolation 'recycle'") - alone],
    ['a stack', /stack for each query, about ([\d.]+) µs/, stackMicros()],
    ['a stack in a test', /while the hooks are active, about ([\d.]+) µs/, stackMicros()],
    ["isolation 'reset'", /about ([\d.]+) ms: a new connection/, eachMillis("isolation 'reset'") - alone],
  ];
  for (const [what, told, measured] of figures) {
    it(`of ${what} are those of the benchmark, to a third`, () => {
      const figure = Number(told.exec(written)?.[1]);
      expect(figure).to.be.within((measured * 2) / 3, (measured * 4) / 3);
    });
  }
});

/** What one test of the suite took. */
function eachMillis(kind: string): number {
  const [, figure, unit] = new RegExp(`tests: ${kind} .* ([\\d.]+) (µs|ms) each`).exec(printed) ?? [];
  return Number(figure) / (unit === 'µs' ? 1000 : 1);
}

/** What `leakAfterMillis` adds to a query. */
function stackMicros(): number {
  const [, ours, rival] = /select 1, leakAfterMillis .* ([\d.]+) µs +([\d.]+) µs/.exec(printed) ?? [];
  return Number(ours) - Number(rival);
}
