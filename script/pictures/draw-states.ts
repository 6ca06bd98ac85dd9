// The states of a transaction and the moves between them, from the table that the code itself checks each move against.
import { type StateName, STATES } from '../../lib/transaction/state';
import { picture, round, text } from './svg';

const WIDTH = 164;
const HEIGHT = 68;
const COLUMNS = [24, 208, 392, 576];
const ROWS = [72, 182, 292, 402];

/** Column and row. Moves to these two come from almost everywhere: letters stand for them. */
const PLACES: Record<StateName, [column: number, row: number]> = {
  acquiring: [0, 0],
  beginning: [1, 0],
  open: [2, 0],
  draining: [3, 0],
  doomed: [1, 1],
  rollingBack: [2, 1],
  committing: [3, 1],
  aborted: [1, 2],
  ended: [2, 2],
  inDoubt: [3, 2],
  released: [2, 3],
};
const LETTERS: Partial<Record<StateName, string>> = { aborted: 'A', ended: 'E' };
/** What has an arrow to one of the two all the same. */
const DRAWN = new Set([
  'rollingBack aborted',
  'rollingBack ended',
  'committing ended',
  'inDoubt ended',
  'aborted ended',
]);

interface Point {
  x: number;
  y: number;
}

const names = Object.keys(STATES) as StateName[];
const movesOf = (name: StateName): readonly StateName[] => STATES[name].to;

export function drawStates(): string {
  const moves = names.flatMap((from) => movesOf(from).map((to) => [from, to] as const));
  const parts = [
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="tip" d="M0 0.5L8 4L0 7.5z"/></marker></defs>',
    text(24, 30, 'The states of a transaction', 'title'),
    text(24, 49, 'Drawn from lib/transaction/state.ts. A: can also be aborted. E: can also end at once.', 'quiet'),
    ...moves.filter(([from, to]) => from !== to && isDrawn(from, to)).map(([from, to]) => arrow(from, to)),
    ...names.map((name) => box(name)),
  ];
  return picture(
    { width: 764, height: (ROWS.at(-1) ?? 0) + HEIGHT + 24 },
    'The states of a transaction and its moves.',
    parts,
  );
}

function isDrawn(from: StateName, to: StateName): boolean {
  return LETTERS[to] === undefined || DRAWN.has(`${from} ${to}`);
}

function corner(name: StateName): Point {
  const [column, row] = PLACES[name];
  return { x: COLUMNS[column] ?? 0, y: ROWS[row] ?? 0 };
}

function box(name: StateName): string {
  const { x, y } = corner(name);
  const letters = movesOf(name)
    .filter((to) => !isDrawn(name, to))
    .map((to) => LETTERS[to]);
  return [
    `<rect class="state" x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    text(x + 10, y + 18, name, 'name'),
    text(x + WIDTH - 10, y + 18, letters.join(' '), 'quiet small', 'end'),
    ...lines(STATES[name].means).map((part, index) => text(x + 10, y + 34 + index * 13, part, 'quiet small')),
  ].join('\n');
}

/** Without what explains more; as many lines as are needed. */
function lines(means: string): string[] {
  const short = means.replace(/: .*|; .*/, '');
  const [first = '', ...rest] = short.split(' ');
  return rest.reduce<string[]>(
    (all, word) => {
      const last = all.at(-1) ?? '';
      if (widthOf(`${last} ${word}`) < WIDTH - 20) return [...all.slice(0, -1), `${last} ${word}`];
      return [...all, word];
    },
    [first],
  );
}

/** About, in a small sans-serif font. */
function widthOf(content: string): number {
  return content.length * 6 + content.replaceAll(/[^A-Z]/g, '').length * 2;
}

function arrow(from: StateName, to: StateName): string {
  const [start, end] = [edge(from, to), edge(to, from)];
  return `<line class="move" x1="${round(start.x)}" y1="${round(start.y)}" x2="${round(end.x)}" y2="${round(end.y)}" marker-end="url(#tip)"/>`;
}

/** Where the line from the middle of one box to the middle of another leaves the first. */
function edge(name: StateName, other: StateName): Point {
  const [here, there] = [middle(name), middle(other)];
  const [dx, dy] = [there.x - here.x, there.y - here.y];
  const share = Math.min(WIDTH / 2 / Math.abs(dx || 1e-9), HEIGHT / 2 / Math.abs(dy || 1e-9));
  return { x: here.x + dx * share, y: here.y + dy * share };
}

function middle(name: StateName): Point {
  const { x, y } = corner(name);
  return { x: x + WIDTH / 2, y: y + HEIGHT / 2 };
}
