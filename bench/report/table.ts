// Tables in Markdown, which are also what the terminal shows.
import { type Figure, spreadOf } from '../figures.js';
import { type Metric, metrics, type Question } from '../question.js';
import type { ResultRow } from '../result.js';

/** Of these the ratio to the baseline is told, beside what the chart of the question shows. */
const compared: readonly Metric[] = ['cpu', 'cpuCall', 'cpuPerGigabyte'];

/** Differences, which may be 0. */
const nearZero: readonly Metric[] = ['growth', 'aboveIdle'];

/** Lines of a Markdown table; the columns are padded, numbers to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], texts: number): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0), 4));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at < texts ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, at) => (at < texts ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** All that a run found for one question; undefined when that is nothing. */
export function questionTable(question: Question, all: readonly ResultRow[], baseline: string): string | undefined {
  const rows = all.filter((row) => row.question === question.name);
  if (rows.length === 0) return undefined;
  const columns = (Object.keys(metrics) as Metric[]).filter((metric) => rows.some((row) => row.figures[metric]));
  const hasBase = rows.some(({ peer }) => peer === baseline);
  const ratios = columns.filter((metric) => hasBase && (metric === question.chart || compared.includes(metric)));
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
      ...columns.map((metric) => cell(row.figures[metric], metric)),
      ...ratios.map((metric) => ratio(row, base, metric)),
    ];
  });
  return markdownTable(head, lines, 2);
}

/** The median, and how far from it the lowest and the highest were. */
export function cell(figure: Figure | undefined, metric: Metric): string {
  if (figure === undefined) return '';
  const { digits } = metrics[metric];
  const text = number(figure.median, digits);
  if (figure.count < 2 || figure.min === figure.max) return text;
  // A share of what is near 0 says nothing.
  if (nearZero.includes(metric)) return `${text} (${number(figure.min, digits)} to ${number(figure.max, digits)})`;
  return `${text} ±${(spreadOf(figure) * 100).toFixed(0)} %`;
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function ratio(row: ResultRow, base: ResultRow | undefined, metric: Metric): string {
  const [value, of] = [row.figures[metric], base?.figures[metric]];
  if (value === undefined || of === undefined || of.median === 0) return '';
  const times = value.median / of.median;
  return times > 0 && times < 0.1 ? Number(times.toPrecision(2)).toFixed(4) : times.toFixed(2);
}
