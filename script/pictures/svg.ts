// What the pictures share: text, lines and boxes as SVG, on a card of its own, in colours that follow the reader's light or dark mode.

const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #59636e } .small { font-size: 11px }
  .card { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .axis { stroke: #59636e }
  .blue { fill: #6ea8e8 } .pale { fill: #cfe2f8 } .grey { fill: #d5dae0 } .amber { fill: #f0c674 } .green { fill: #7cc792 } .red { fill: #e5898b }
  .state { fill: #f6f8fa; stroke: #59636e } .name { font-weight: 600 } .move { stroke: #59636e; stroke-width: 1.3 } .tip { fill: #59636e }
  .line { stroke: #1f2328; fill: none } .mark { stroke: #c5221f; stroke-width: 1.8; fill: none } .ring { stroke: #1f2328; stroke-width: 1.6; fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .card { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }
    .blue { fill: #2f6fb8 } .pale { fill: #1d3a5c } .grey { fill: #3d444d } .amber { fill: #8a6414 } .green { fill: #2b7a45 } .red { fill: #9c3b3d }
    .state { fill: #151b23; stroke: #9198a1 } .move { stroke: #9198a1 } .tip { fill: #9198a1 }
    .line { stroke: #e6edf3 } .mark { stroke: #ff7b72 } .ring { stroke: #e6edf3; fill: #0d1117 }
  }`;

export interface Size {
  width: number;
  height: number;
}

/** `description` is what a screen reader says. */
export function picture({ width, height }: Size, description: string, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(description)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

export function text(
  x: number,
  y: number,
  content: string,
  kind = '',
  anchor: 'start' | 'middle' | 'end' = 'start',
): string {
  const placed = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}"${kind && ` class="${kind}"`}${placed}>${escape(content)}</text>`;
}

/** From the left edge to the right one. */
export function bar(from: number, to: number, y: number, height: number, kind: string): string {
  return `<rect class="${kind}" x="${round(from)}" y="${round(y)}" width="${round(Math.max(to - from, 0.5))}" height="${height}" rx="2"/>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line class="${kind}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

export function cross(x: number, y: number): string {
  return `<path class="mark" d="M${round(x - 4)} ${round(y - 4)}l8 8m0 -8l-8 8"/>`;
}

export function ring(x: number, y: number): string {
  return `<circle class="ring" cx="${round(x)}" cy="${round(y)}" r="3.6"/>`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
