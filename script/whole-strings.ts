// With a limit for lines, esbuild divides long strings: a backslash ends the line, and the string goes on in the next one. A bundler that
// indents modules (Rollup, and so Vite) puts its indentation into such a string. So these lines are joined again, in the source map too.

interface Map {
  mappings: string;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** An odd number of backslashes: an even one is backslashes of the text. */
const DIVIDES = /(?<!\\)(?:\\\\)*\\$/;

/** The code without divided strings, and its map. */
export function withWholeStrings(code: string, map: string): { code: string; map: string } {
  const lines = code.split('\n');
  const parsed = JSON.parse(map) as Map;
  const mappings = parsed.mappings.split(';');
  const joined: Line[] = [];
  let isDivided = false;
  for (const [i, text] of lines.entries()) {
    const segments = (mappings[i] ?? '').split(',').filter((segment) => segment !== '');
    const last = joined.at(-1);
    if (isDivided && last) goOn(last, text, segments);
    else joined.push({ text, segments });
    isDivided = DIVIDES.test(text);
  }
  const all = joined.map(({ segments }) => segments.join(',')).join(';');
  return { code: joined.map(({ text }) => text).join('\n'), map: JSON.stringify({ ...parsed, mappings: all }) };
}

interface Line {
  text: string;
  segments: string[];
}

/** The first number of a segment is its column, counted from the segment before it on the line: only the first one has to change. */
function goOn(line: Line, text: string, segments: string[]): void {
  const before = line.text.slice(0, -1);
  const [first, ...others] = segments;
  if (first !== undefined) {
    const column = line.segments.reduce((sum, segment) => sum + numberAt(segment).value, 0);
    const { value, length } = numberAt(first);
    line.segments.push(digitsOf(before.length + value - column) + first.slice(length), ...others);
  }
  line.text = before + text;
}

/** The number that a segment begins with: base 64, five bits in each digit, the lowest first, and the sign in the lowest of all. */
function numberAt(segment: string): { value: number; length: number } {
  let bits = 0;
  for (let length = 1; ; length++) {
    const digit = DIGITS.indexOf(segment.charAt(length - 1));
    bits += (digit & 31) << (5 * (length - 1));
    if (digit < 32) return { value: bits & 1 ? -(bits >> 1) : bits >> 1, length };
  }
}

function digitsOf(value: number): string {
  let bits = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = '';
  do {
    const digit = bits & 31;
    bits >>= 5;
    text += DIGITS.charAt(bits > 0 ? digit | 32 : digit);
  } while (bits > 0);
  return text;
}
