// Two commits that took turns: how they differ, round by round.
import { type Figure, figureOf } from '../figures.js';
import { type Metric, metrics, type Question } from '../question.js';
import { cell, markdownTable, number } from '../report/table.js';
import type { Skipped } from '../result.js';
import type { Measured } from '../runner.js';

/** One case of both. */
export interface Compared {
  readonly question: string;
  readonly case: string;
  readonly metric: Metric;
  readonly here: Figure;
  readonly there: Figure;
  /** Of each round here to the same round there. */
  readonly ratio: Figure;
}

/** A whole comparison, as results.json holds it. */
export interface Comparison {
  readonly format: 'against 1';
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: string;
  readonly seconds: number;
  readonly here: string;
  readonly there: string;
  /** Reasons to doubt it. */
  readonly warnings: readonly string[];
  readonly rows: readonly Compared[];
  readonly skipped: readonly Skipped[];
}

/** With fewer rounds, all of them agree by chance too often. */
const leastRounds = 5;

/** Beside what the chart of the question shows. */
const always: readonly Metric[] = ['cpu', 'cpuCall', 'cpuPerGigabyte'];

/** @param here, there names of the two peers */
export function compare(
  measured: readonly Measured[],
  questions: readonly Question[],
  here: string,
  there: string,
): readonly Compared[] {
  return measured
    .filter(({ peer }) => peer === here)
    .flatMap((own) => {
      const other = measured.find(
        (one) => one.question === own.question && one.case === own.case && one.peer === there,
      );
      const shown = questions.find(({ name }) => name === own.question)?.chart;
      const names = (Object.keys(metrics) as Metric[]).filter((metric) => metric === shown || always.includes(metric));
      return names.flatMap((metric) => comparedBy(metric, own, other) ?? []);
    });
}

function comparedBy(metric: Metric, own: Measured, other: Measured | undefined): Compared | undefined {
  const pairs = own.samples.flatMap(({ [metric]: here }, round) => {
    const there = other?.samples[round]?.[metric];
    return here === undefined || there === undefined || there === 0 ? [] : [{ here, there }];
  });
  if (pairs.length === 0) return undefined;
  return {
    question: own.question,
    case: own.case,
    metric,
    here: figureOf(pairs.map(({ here }) => here)),
    there: figureOf(pairs.map(({ there }) => there)),
    ratio: figureOf(pairs.map(({ here, there }) => here / there)),
  };
}

/** A comparison as a text for people. */
export function comparisonText(comparison: Comparison): string {
  const { command, date, machine, versions, here, there, rows, seconds, warnings, skipped } = comparison;
  const rounds = Math.max(0, ...rows.map(({ ratio }) => ratio.count));
  const lines = rows.map((row, at) => [
    row.case === rows[at - 1]?.case ? '' : row.case,
    metrics[row.metric].title,
    cell(row.there, row.metric),
    cell(row.here, row.metric),
    `${number(row.ratio.median, 3)} (${number(row.ratio.min, 3)} to ${number(row.ratio.max, 3)})`,
    verdict(row),
  ]);
  const head = ['case', 'measure', there, here, 'ratio', ''];
  const missing = skipped.map(
    ({ peer, case: name, reason }) => `- ${peer}${name === undefined ? '' : `, ${name}`}: ${reason}`,
  );
  return [
    `# ${here} against ${there}`,
    `\`${command}\`, ${date}; ${machine}; ${versions}. ${rounds} rounds of ${seconds} s, both by turns; medians, ± half of ` +
      'what lies between the lowest and the highest. The ratio is that of each round to the same round of the other: its median, ' +
      'lowest and highest. Better and worse are said where all of five rounds or more agree.',
    ...warnings.map((warning) => `**Mind that ${warning}.**`),
    markdownTable(head, lines, 2),
    ...(missing.length > 0 ? [`Not measured:\n\n${missing.join('\n')}`] : []),
  ].join('\n\n');
}

function verdict({ metric, ratio }: Compared): string {
  if (ratio.count < leastRounds || (ratio.min <= 1 && ratio.max >= 1)) return '';
  return ratio.median > 1 === (metrics[metric].better === 'more') ? 'better' : 'worse';
}
