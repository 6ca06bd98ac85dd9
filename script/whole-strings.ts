// With a limit for lines, esbuild divides long strings: a backslash ends the line, and the string goes on in the next one. A bundler that
// indents modules (Rollup, and so Vite) puts its indentation into such a string. So these lines are joined again, in the source map too.
import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

/** An odd number of backslashes: an even one is backslashes of the text. */
const DIVIDES = /(?<!\\)(?:\\\\)*\\$/;

/** The code without divided strings, and its map. */
export function withWholeStrings(code: string, map: string): { code: string; map: string } {
  const parsed = JSON.parse(map) as { mappings: string };
  const mappings = decode(parsed.mappings);
  const lines: string[] = [];
  const joined: SourceMapSegment[][] = [];
  let isDivided = false;
  for (const [i, text] of code.split('\n').entries()) {
    const segments = mappings[i] ?? [];
    if (isDivided) {
      const before = (lines.pop() ?? '').slice(0, -1);
      lines.push(before + text);
      joined.at(-1)?.push(...segments.map((segment) => movedBy(before.length, segment)));
    } else {
      lines.push(text);
      joined.push(segments);
    }
    isDivided = DIVIDES.test(text);
  }
  return { code: lines.join('\n'), map: JSON.stringify({ ...parsed, mappings: encode(joined) }) };
}

function movedBy(columns: number, [column, ...source]: SourceMapSegment): SourceMapSegment {
  return [column + columns, ...source] as SourceMapSegment;
}
