import { html, type Markup } from '../http/pages/html.js';
import type { History } from '../mi/history.js';
import { ratesOf, sparkline, thinned, type Values } from './figures.js';
import { valueText } from './quantities.js';
import { dateMarkup } from './times.js';

/** Ranges that can be chosen, seconds. */
export const ranges = [
  { seconds: 600, title: 'Last 10 minutes' },
  { seconds: 86_400, title: 'Last day' },
] as const;

/** The range that a field of a request asks for. */
export function rangeOf(field: string | undefined): number {
  return ranges.find(({ seconds }) => String(seconds) === field)?.seconds ?? ranges[0].seconds;
}

/** Links to the ranges. @param addressOf the address with some more fields of a query */
export function rangeLinks(
  range: number,
  addressOf: (query: readonly (readonly [string, string])[]) => string,
): readonly Markup[] {
  return ranges.map(({ seconds, title }) => {
    const address = addressOf(seconds === ranges[0].seconds ? [] : [['range', String(seconds)]]);
    return html`<li><a href="${address}"${seconds === range && html` aria-current="true"`}>${title}</a></li>\n`;
  });
}

/** One line of a chart. */
interface Line {
  /** Of the statistic that is kept. */
  readonly name: string;
  readonly label: string;
  /** True: it is shown how much it grows a second. */
  readonly isRate: boolean;
}

export interface Chart {
  readonly title: string;
  readonly unit: string | undefined;
  readonly lines: readonly Line[];
}

/** What a line shows, step by step, with the times of these. */
interface Shown {
  readonly timestamps: readonly number[];
  readonly values: Values;
}

function shownOf(history: History, { name, isRate }: Line, range: number): Shown | undefined {
  const [part] = history.read(history.find([name]), range, undefined);
  const values = part?.series[0]?.values;
  if (part === undefined || values === undefined) return undefined;
  if (!isRate) return { timestamps: part.timestamps, values };
  return { timestamps: part.timestamps.slice(1), values: ratesOf(values, part.resolution) };
}

/** A chart: small pictures and a table, which the script replaces the first of. */
export function chartMarkup(history: History, { title, unit, lines }: Chart, range: number): Markup | undefined {
  const drawn = lines.flatMap((line) => {
    const shown = shownOf(history, line, range);
    return shown === undefined ? [] : [{ ...line, ...shown }];
  });
  const [first] = drawn;
  if (first === undefined) return undefined;
  const about = range === ranges[0].seconds ? 'last 10 minutes' : 'last day';
  const text = (value: number): string => valueText(value, unit);
  const rows = drawn.map(({ label, values }) => {
    const last = values.findLast((value) => value !== null);
    const now = last === undefined || last === null ? 'none' : text(last);
    const isOnly = drawn.length === 1;
    return html`<p>${sparkline(values, `${title}, ${about}${isOnly ? '' : `, ${label}`}`, text)} <span class="now">${now}</span> ${!isOnly && label}</p>\n`;
  });
  const data = JSON.stringify(drawn.map(({ name, label, isRate }) => ({ name, label, isRate })));
  return html`<figure class="chart" data-unit="${unit ?? ''}" data-lines="${data}">
<figcaption>${title}</figcaption>
<div class="lines">
${rows}</div>
<details><summary>As a table</summary>
${valueTable(title, drawn, text)}</details>
</figure>
`;
}

/** Rows of the table of a chart. */
const tableRows = 10;

function valueTable(title: string, drawn: readonly (Line & Shown)[], text: (value: number) => string): Markup {
  const [first] = drawn;
  const count = first?.values.length ?? 0;
  const share = Math.ceil(count / tableRows);
  const columns = drawn.map(({ values }) => thinned(values, tableRows));
  const times = (columns[0] ?? []).map(
    (_, row, all) => first?.timestamps[count - 1 - (all.length - 1 - row) * share] ?? 0,
  );
  // Before the first value there was no server.
  const begin = Math.max(
    0,
    times.findIndex((_, row) => columns.some((column) => column[row] !== null)),
  );
  const body = times.map((time, row) => {
    if (row < begin) return undefined;
    const cells = columns.map((column) => {
      const value = column[row];
      return html`<td class="number">${value === null || value === undefined ? 'none' : text(value)}</td>`;
    });
    return html`<tr><th scope="row">${dateMarkup(time * 1000)}</th>${cells}</tr>\n`;
  });
  const heads = drawn.map(({ label }) => html`<th scope="col">${drawn.length === 1 ? title : label}</th>`);
  return html`<div class="frame" tabindex="0" role="region" aria-label="${title} as a table"><table>
<thead><tr><th scope="col">until</th>${heads}</tr></thead>
<tbody>
${body}</tbody>
</table></div>
`;
}
