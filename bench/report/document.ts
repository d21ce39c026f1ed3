// A result as a text for people.
import { measuredElsewhere, scaled } from '../peers/opensips-elsewhere.js';
import { metrics, type Question } from '../question.js';
import { disturbances } from '../quiet.js';
import type { Published, Result, ResultRow } from '../result.js';
import { targetTable } from '../targets.js';
import { barChart } from './chart.js';
import { cell, markdownTable, number, questionTable, ratio } from './table.js';

/** The peers that the charts are about and that they compare with. */
export interface Roles {
  readonly own: string;
  readonly baseline: string;
  /** The peer whose reply is a constant. */
  readonly constant: string;
}

/** @param chartFolder where the charts are, as seen from the text; undefined: without them */
export function document(
  result: Result,
  questions: readonly Question[],
  roles: Roles,
  chartFolder: string | undefined,
): string {
  const asked = questions.filter(({ name }) => result.rows.some((row) => row.question === name));
  const parts = asked.flatMap((question) => [
    `### ${question.title}`,
    question.method,
    ...(chartFolder === undefined ? [] : [`![${question.title}](${chartFolder}/${question.name}.svg)`]),
    questionTable(question, result.rows, question.base ?? roles.baseline) ?? '',
    ...(question.name === 'small' ? elsewhere(result, roles) : []),
    ...skippedText(question.name, result),
  ]);
  return `${[conditions(result), peersText(result), ...parts].join('\n\n')}\n`;
}

/** Command, date, machine and versions: what a figure is worth nothing without. */
function conditions(result: Result): string {
  const { command, date, machine, versions, rows, seconds, quick } = result;
  const doubts = result.warnings.map((warning) => `\n\n**Mind that ${warning}.**`).join('');
  const forced = (result.forced ?? []).map((reason) => `\n\n**Published by \`--force\` although ${reason}.**`).join('');
  const counts = rows.flatMap(({ figures }) => Object.values(figures).map(({ count }) => count));
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const range =
    counts.length === 0
      ? 'No rounds'
      : fewest === most
        ? `${most} round${most === 1 ? '' : 's'}`
        : `${fewest} to ${most} rounds`;
  const rounds = `${quick ? 'A quick run, for a first look: ' : ''}${range} of ${seconds} s`;
  return (
    `\`${command}\`, ${date}; ${machine}; ${versions}. ${rounds}, all peers by turns; medians, ± half of what lies ` +
    `between the lowest and the highest. ${quietText(result)}${doubts}${forced}`
  );
}

/** The findings of the look at the machine. */
function quietText({ quiet, forced = [] }: Result): string {
  if (quiet === undefined) return 'The machine was not watched.';
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const spreads = quiet.constants.map(({ peer, when, spread }) => `${peer} ±${percent(spread)} ${when}`).join(', ');
  const [most] = quiet.processes;
  const other =
    most === undefined ? 'no other process took anything' : `${most.name} took ${percent(most.share)} of a core`;
  const is =
    disturbances(quiet).length === 0 && forced.length === 0 ? 'The machine was quiet' : 'The machine was not quiet';
  return `${is}: ${spreads === '' ? '' : `rates of ${spreads}; `}${other}.`;
}

function peersText({ peers, skipped }: Result): string {
  const there = peers.map(({ name, what }) => `- **${name}**: ${what}`);
  const absent = skipped
    .filter(({ question }) => question === undefined)
    .map(({ peer, reason }) => `- ${peer}: skipped, ${reason}`);
  return [...there, ...absent].join('\n');
}

function skippedText(question: string, result: Result): string[] {
  const skipped = result.skipped.filter((skip) => skip.question === question);
  if (skipped.length === 0) return [];
  const all = new Set([...result.rows.filter((row) => row.question === question), ...skipped].map((one) => one.case));
  const casesOf = new Map<string, Set<string>>();
  for (const { peer, reason, case: name = '' } of skipped) {
    const key = `${peer}: ${reason}`;
    casesOf.set(key, (casesOf.get(key) ?? new Set()).add(name));
  }
  const lines = [...casesOf].map(([key, cases]) => {
    return cases.size === all.size && all.size > 1 ? `- ${key}` : `- ${key} (${[...cases].join('; ')})`;
  });
  return [`Not measured:\n\n${lines.join('\n')}`];
}

/** OpenSIPS, where this run has none: by what nginx's constant takes here and took there. */
function elsewhere(result: Result, { constant }: Roles): string[] {
  const row = result.rows.find(
    (one) => one.question === 'small' && one.case.startsWith('64 connections, keep-alive') && one.peer === constant,
  );
  const here = row?.figures.cpu?.median;
  if (here === undefined || result.peers.some(({ name }) => name === 'OpenSIPS')) return [];
  const there = measuredElsewhere();
  const { low, high } = scaled(there, here);
  return [
    `OpenSIPS was not in this run. Measured elsewhere, it took ${there.cpuLow} to ${there.cpuHigh} µs of CPU for a \`version\` where ` +
      `"${constant}" took ${there.constantCpu} µs; by the ${number(here, 1)} µs of this run, that would be ` +
      `${number(low, 1)} to ${number(high, 1)} µs here. An estimate, not a measurement.`,
  ];
}

/** The chart of each question that was asked, by its name. */
export function charts(result: Result, questions: readonly Question[], roles: Roles): ReadonlyMap<string, string> {
  const drawn = new Map<string, string>();
  for (const { name, title, chart: metric } of questions) {
    const rows = result.rows.filter((row) => row.question === name);
    const cases = [...new Set(rows.map((row) => row.case))];
    const groups = cases.map((one) => ({
      name: one,
      bars: rows
        .filter((row) => row.case === one)
        .flatMap(({ peer, figures: { [metric]: figure } }) => {
          const role = peer === roles.own ? 'own' : peer === roles.baseline ? 'base' : 'rival';
          return figure === undefined ? [] : [{ name: peer, figure, role } as const];
        }),
    }));
    const { title: unit, better, digits } = metrics[metric];
    if (rows.length > 0) drawn.set(name, barChart({ title, unit, better, digits, groups }));
  }
  return drawn;
}

/** The part of docs/performance.md that is made of the published runs. */
export function summary(published: Published, questions: readonly Question[], roles: Roles): string {
  const lines = questions.flatMap((question) => headline(question, published, roles));
  const shown = questions.filter(({ name }) => inSummary.includes(name) && runOf(published, name) !== undefined);
  return `${[
    ...published.runs.map(conditions),
    markdownTable(['question', 'case', 'measure', roles.own, 'the other', 'which is', 'ratio'], lines, 3),
    ...shown.map(({ name, title }) => `![${title}](charts/${name}.svg)`),
    'The targets, by the medians of these runs:',
    targetTable(published, roles.own, roles.constant),
  ].join('\n\n')}\n`;
}

/** Questions whose chart says the most. */
const inSummary = ['small', 'dumps', 'head-of-line', 'host-delay'];

function runOf({ runs }: Published, question: string): Result | undefined {
  return runs.find(({ rows }) => rows.some((row) => row.question === question));
}

/** One line for a question: of the case that was named so, or the last one that both have. */
function headline(question: Question, published: Published, { own, baseline }: Roles): string[][] {
  const rows = runOf(published, question.name)?.rows.filter((row) => row.question === question.name) ?? [];
  const base = question.base ?? baseline;
  const owns = rows.filter(({ peer }) => peer.startsWith(own));
  const baseOf = (row: ResultRow): ResultRow | undefined =>
    rows.find((one) => one.case === row.case && one.peer === base);
  const named = question
    .cases({ quick: false, seconds: 1, repeats: 1 })
    .find(({ headline }) => headline === true)?.name;
  const row = owns.find((one) => one.case === named) ?? owns.findLast(baseOf) ?? owns.at(-1);
  if (row === undefined) return [];
  const other = baseOf(row);
  const metric = question.chart;
  const values = [row, other].map((one) => cell(one?.figures[metric], metric));
  return [
    [
      question.title,
      row.case,
      metrics[metric].title,
      ...values,
      other === undefined ? '' : base,
      ratio(row, other, metric),
    ],
  ];
}
