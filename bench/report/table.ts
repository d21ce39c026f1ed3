// Tables in Markdown, which are also what the terminal shows.
import type { Figure } from '../figures.js';
import { type Metric, metrics, type Question } from '../question.js';
import type { Result, ResultRow } from '../result.js';

/** Of these the ratio to the baseline is told, beside what the chart of the question shows. */
const compared: readonly Metric[] = ['cpu', 'cpuPerGigabyte'];

/** Lines of a Markdown table; the columns are padded, numbers to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], texts: number): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0), 4));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at < texts ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, at) => (at < texts ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** All that a run found for one question; undefined when that is nothing. */
export function questionTable(question: Question, result: Result, baseline: string): string | undefined {
  const rows = result.rows.filter((row) => row.question === question.name);
  if (rows.length === 0) return undefined;
  const columns = (Object.keys(metrics) as Metric[]).filter((metric) => rows.some((row) => row.figures[metric]));
  const ratios = columns.filter((metric) => metric === question.chart || compared.includes(metric));
  const head = [
    'case',
    'peer',
    ...columns.map((metric) => metrics[metric].title),
    ...ratios.map((metric) => `${metrics[metric].title} ÷ ${baseline}`),
  ];
  let last = '';
  const lines = rows.map((row) => {
    const base = rows.find((other) => other.case === row.case && other.peer === baseline);
    const name = row.case === last ? '' : row.case;
    last = row.case;
    return [
      name,
      row.peer,
      ...columns.map((metric) => cell(row.figures[metric], metric, metric === question.chart)),
      ...ratios.map((metric) => ratio(row, base, metric)),
    ];
  });
  return markdownTable(head, lines, 2);
}

/** The median; with `spread` also how far from it the lowest and highest were. */
function cell(figure: Figure | undefined, metric: Metric, spread: boolean): string {
  if (figure === undefined) return '';
  const text = number(figure.median, metrics[metric].digits);
  return spread && figure.count > 1 && figure.median > 0 ? `${text} ±${spreadOf(figure)} %` : text;
}

/** Half of the distance between lowest and highest, in percent of the median. */
function spreadOf({ median, min, max }: Figure): string {
  return (((max - min) / 2 / median) * 100).toFixed(0);
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function ratio(row: ResultRow, base: ResultRow | undefined, metric: Metric): string {
  const [value, of] = [row.figures[metric], base?.figures[metric]];
  if (value === undefined || of === undefined || of.median === 0) return '';
  const times = value.median / of.median;
  return times > 0 && times < 0.1 ? Number(times.toPrecision(2)).toFixed(4) : times.toFixed(2);
}
