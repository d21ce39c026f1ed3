// A bar chart as SVG, with whiskers for the spread; readable on a light and on a dark page.
import type { Figure } from '../figures.js';
import { number } from './table.js';

interface Bar {
  readonly name: string;
  readonly figure: Figure;
  /** `own`: what the chart is about; `base`: what it is compared with. */
  readonly role: 'own' | 'base' | 'rival';
}

interface BarGroup {
  readonly name: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  /** The measure of the bars, with its unit. */
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly digits: number;
  readonly groups: readonly BarGroup[];
}

const size = { width: 760, left: 170, right: 110, bar: 16, gap: 4, group: 30, top: 52, bottom: 12 } as const;

/** Largest to smallest beyond which a scale by size would hide the small ones. */
const widest = 50;

const style = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .group { font-weight: 600 }
  .note, .value { fill: #57606a }
  .own { fill: #1a7f37 } .base { fill: #9a6700 } .rival { fill: #8c959f }
  line { stroke: #24292f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note, .value { fill: #9da7b1 }
    .own { fill: #3fb950 } .base { fill: #d29922 } .rival { fill: #6e7681 }
    line { stroke: #e6edf3 }
  }`;

/** @returns a whole SVG document; empty groups are left out */
export function barChart({ title, unit, better, digits, groups }: Chart): string {
  const shown = groups.filter(({ bars }) => bars.length > 0);
  const all = shown.flatMap(({ bars }) => bars.map(({ figure }) => figure));
  const largest = Math.max(...all.map(({ max }) => max), Number.MIN_VALUE);
  const smallest = Math.min(...all.map(({ median }) => median).filter((value) => value > 0), largest);
  const byDecades = largest / smallest > widest;
  const room = size.width - size.left - size.right;
  const length = (value: number): number => {
    if (!byDecades) return (value / largest) * room;
    // One decade of room below the smallest, so that its bar can be seen.
    const begin = Math.log10(smallest) - 0.5;
    return value <= 0 ? 0 : Math.max(0, ((Math.log10(value) - begin) / (Math.log10(largest) - begin)) * room);
  };
  let y = size.top;
  const parts: string[] = [];
  for (const { name, bars } of shown) {
    parts.push(`<text class="group" x="12" y="${y + 12}">${xmlText(name)}</text>`);
    y += 20;
    for (const bar of bars) {
      parts.push(...drawBar(bar, y, length, digits));
      y += size.bar + size.gap;
    }
    y += size.group - 20;
  }
  const height = y + size.bottom;
  const note = `${unit}; ${better} is better; median, lowest and highest${byDecades ? '; logarithmic scale' : ''}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}" role="img" aria-label="${xmlText(title)}">
<style>${style}
</style>
<text class="title" x="12" y="20">${xmlText(title)}</text>
<text class="note" x="12" y="38">${xmlText(note)}</text>
${parts.join('\n')}
</svg>
`;
}

function drawBar({ name, figure, role }: Bar, y: number, length: (value: number) => number, digits: number): string[] {
  const middle = y + size.bar / 2;
  const [end, low, high] = [figure.median, figure.min, figure.max].map(
    (value) => Math.round((size.left + length(value)) * 10) / 10,
  );
  const whisker = figure.count > 1 ? [`<line x1="${low}" y1="${middle}" x2="${high}" y2="${middle}"/>`] : [];
  const width = Math.max(1, Math.round(((end ?? size.left) - size.left) * 10) / 10);
  return [
    `<text x="${size.left - 8}" y="${middle + 4}" text-anchor="end">${xmlText(name)}</text>`,
    `<rect class="${role}" x="${size.left}" y="${y}" width="${width}" height="${size.bar}" rx="2"/>`,
    ...whisker,
    `<text class="value" x="${Math.max(high ?? 0, end ?? 0) + 6}" y="${middle + 4}">${number(figure.median, digits)}</text>`,
  ];
}

function xmlText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
