// Small pictures of the past of numbers.
import { html, type Markup } from '../http/pages/html.js';

/** Values over time, `null` where there is none. */
export type Values = readonly (number | null)[];

/** Growth of a counter a second, step by step; one step less than there are values. */
export function ratesOf(values: Values, resolution: number): Values {
  return values.slice(1).map((value, index) => {
    const before = values[index];
    if (value === null || before === null || before === undefined) return null;
    // Less than before: it was set back to 0 meanwhile.
    return (value < before ? value : value - before) / resolution;
  });
}

/** Means of so many values each, of which one may be shorter: the first. */
export function thinned(values: Values, most: number): Values {
  const share = Math.ceil(values.length / most);
  if (share <= 1) return values;
  const means: (number | null)[] = [];
  for (let end = values.length; end > 0; end -= share) {
    const known = values.slice(Math.max(0, end - share), end).filter((value) => value !== null);
    means.push(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length);
  }
  return means.reverse();
}

/** Points that a small picture has at most. */
const points = 60;
const width = 120;
const height = 28;

/**
 * A line of the past as a picture.
 *
 * @param title what it shows, `Calls a second, last 10 min`
 * @param text prints a value
 */
export function sparkline(values: Values, title: string, text: (value: number) => string): Markup {
  const line = thinned(values, points);
  const known = line.filter((value) => value !== null);
  const last = known.at(-1);
  if (last === undefined) return html`<span class="spark none">no values yet</span>`;
  const most = Math.max(...known);
  const least = Math.min(...known);
  const label = `${title}: least ${text(least)}, most ${text(most)}, last ${text(last)}`;
  const bottom = Math.min(0, least);
  const range = most - bottom || 1;
  let path = '';
  let isDrawing = false;
  for (const [index, value] of line.entries()) {
    if (value !== null) {
      const x = ((index / Math.max(1, line.length - 1)) * (width - 2) + 1).toFixed(1);
      const y = (height - 2 - ((value - bottom) / range) * (height - 4)).toFixed(1);
      path += `${isDrawing ? 'L' : 'M'}${x} ${y}`;
      // A single value is a dot.
      if (!isDrawing) path += 'h.1';
    }
    isDrawing = value !== null;
  }
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}"><path d="${path}"/></svg>`;
}
