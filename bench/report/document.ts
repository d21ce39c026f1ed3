// A result as a text for people.
import { measuredElsewhere, scaled } from '../peers/opensips-elsewhere.js';
import { metrics, type Question } from '../question.js';
import type { Result, Skipped } from '../result.js';
import { barChart } from './chart.js';
import { number, questionTable } from './table.js';

/** Whom the charts are about, and whom they compare with. */
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
    questionTable(question, result, roles.baseline) ?? '',
    ...(question.name === 'small' ? elsewhere(result, roles) : []),
    ...skippedText(result.skipped.filter((skip) => skip.question === question.name)),
  ]);
  return `${[conditions(result), peersText(result), ...parts].join('\n\n')}\n`;
}

/** Command, date, machine and versions: what a figure is worth nothing without. */
function conditions(result: Result): string {
  const { command, date, machine, versions, repeats, seconds, quick } = result;
  const doubts = result.warnings.map((warning) => `\n\n**Mind that ${warning}.**`).join('');
  const rounds = quick
    ? `A quick run, for a first look: ${repeats} rounds of the small command, one of all else, ${seconds} s each`
    : `${repeats} round${repeats === 1 ? '' : 's'} of ${seconds} s`;
  return (
    `\`${command}\`, ${date}; ${machine}; ${versions}. ${rounds}, all peers by turns; medians, ± half of what lies ` +
    `between the lowest and the highest.${doubts}`
  );
}

function peersText({ peers, skipped }: Result): string {
  const there = peers.map(({ name, what }) => `- **${name}**: ${what}`);
  const absent = skipped
    .filter(({ question }) => question === undefined)
    .map(({ peer, reason }) => `- ${peer}: skipped, ${reason}`);
  return [...there, ...absent].join('\n');
}

function skippedText(skipped: readonly Skipped[]): string[] {
  if (skipped.length === 0) return [];
  const casesOf = new Map<string, Set<string>>();
  for (const { peer, reason, case: name = '' } of skipped) {
    const key = `${peer}: ${reason}`;
    casesOf.set(key, (casesOf.get(key) ?? new Set()).add(name));
  }
  return [`Not measured:\n\n${[...casesOf].map(([key, cases]) => `- ${key} (${[...cases].join('; ')})`).join('\n')}`];
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
