import { html, type Markup } from '../http/pages/html.js';
import type { KeptSeries } from '../mi/history.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { type ForeignStatistic, readStatistic, type Statistic, type StatisticKind } from '../mi/statistics.js';
import { chartMarkup, rangeLinks, ranges } from './charts.js';
import { ratesOf, sparkline } from './figures.js';
import { pinButton, pinForm } from './pins.js';
import { grouped, valueText } from './quantities.js';
import { wordsOf } from './search.js';

/** What the page of all statistics is made from. */
interface Source {
  /** Path of the root: `/mi`. */
  readonly base: string;
  readonly mi: ManagementInterface;
  /** Words of which each statistic that is shown has all, in its name or its help. */
  readonly filter: string;
  /** The kept statistic whose chart is shown. */
  readonly chart: string;
  /** Seconds of the past that the chart shows. */
  readonly range: number;
  /** Full names of those that are pinned to the overview. */
  readonly pins: ReadonlySet<string>;
  readonly foreign: readonly ForeignStatistic[];
  /** Path that sets statistics back, after a question; undefined where the caller may not. */
  readonly reset: string | undefined;
}

/** Rows that the page has at most: what browsers still lay out at once. */
const mostRows = 2000;

/** A statistic as a row. */
interface Row {
  readonly group: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string | undefined;
  /** Undefined where it is not known. */
  readonly kind: StatisticKind | undefined;
  readonly help: string;
  /** Growth a second; undefined for what does not only grow, and while it is not known. */
  readonly rate: number | undefined;
}

/** All statistics by their groups, with their present and their past. */
export function statisticsSection(source: Source): Markup {
  const { base, mi, filter, chart, range } = source;
  const words = wordsOf(filter);
  const all = [...mi.statistics.all.map((one) => rowOf(mi, one)), ...source.foreign.map(foreignRow)];
  const found = all.filter(({ group, name, help }) => fits(words, `${group}:${name} ${help}`));
  const shown = found.slice(0, mostRows);
  const groups = new Map<string, Row[]>();
  for (const row of shown) {
    const rows = groups.get(row.group);
    if (rows === undefined) groups.set(row.group, [row]);
    else rows.push(row);
  }
  const series: Series = new Map(mi.history.kept.map((one) => [one.name, one]));
  const kept = mi.history.isOn
    ? html` data-history="${base}/statistics/statistics:history" data-range="${range}"`
    : undefined;
  const rest = found.length - shown.length;
  const left =
    rest > 0 &&
    html`<p class="help">${grouped(rest)} more fit; other words in the field above show them, and <code>get_statistics</code> has all.</p>
`;
  const told =
    shown.length === all.length
      ? `${grouped(all.length)} statistics`
      : `${grouped(shown.length)} of ${grouped(all.length)} statistics`;
  return html`<section class="statistics" aria-labelledby="all-statistics"${kept}>
<h2 id="all-statistics">All statistics</h2>
<form class="filter" id="statistics" method="get" action="${base}/statistics" role="search" aria-label="Statistics">
<label for="filter">Those with</label>
<input type="search" id="filter" name="filter" value="${filter}" autocomplete="off" spellcheck="false" autocapitalize="off">
${range !== ranges[0].seconds && html`<input type="hidden" name="range" value="${range}">\n`}<button type="submit">Show</button>
<span class="count" role="status">${told}</span>
</form>
${source.reset !== undefined && html`<form id="reset" method="post" action="${source.reset}"><input type="hidden" name="confirm" value=""></form>\n`}${left}${chart !== '' && chartOf(source)}<div class="groups">
${pinForm(base, viewOf(source))}${[...groups].sort(byName).map(([group, rows]) => groupTable(source, group, rows, series))}</div>
</section>
`;
}

function rowOf(mi: ManagementInterface, statistic: Statistic): Row {
  const { group, name, kind, about } = statistic;
  const grows = kind === 'counter' || about.isTotal === true;
  return {
    group,
    name,
    value: readStatistic(statistic),
    unit: about.unit,
    kind,
    help: about.help ?? '',
    rate: grows ? mi.history.rate(statistic) : undefined,
  };
}

function foreignRow({ group, name, value }: ForeignStatistic): Row {
  return {
    group,
    name,
    value: typeof value === 'number' ? value : Number.NaN,
    unit: undefined,
    kind: undefined,
    help: '',
    rate: undefined,
  };
}

function fits(words: readonly string[], text: string): boolean {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
}

/** How many statistics of this server the page shows for a filter. */
export function countFitting({ statistics }: ManagementInterface, filter: string): number {
  const words = wordsOf(filter);
  return statistics.all.filter(({ fullName, about }) => fits(words, `${fullName} ${about.help ?? ''}`)).length;
}

/** The fields that say how the page is shown. */
function viewOf({ filter, chart, range }: Source): Readonly<Record<string, string>> {
  return {
    ...(filter === '' ? {} : { filter }),
    ...(chart === '' ? {} : { chart }),
    ...(range === ranges[0].seconds ? {} : { range: String(range) }),
  };
}

function chartOf(source: Source): Markup | undefined {
  const { base, mi, chart: name, range } = source;
  const [kept] = mi.history.find([name]);
  if (kept === undefined) return undefined;
  const isRate = kept.kind === 'counter';
  const title = isRate ? `${kept.name} a second` : kept.name;
  const unit = kept.statistic?.about.unit;
  const lines = [{ name: kept.name, label: kept.name, isRate }];
  const links = rangeLinks(range, (query) => {
    const { range: _, ...view } = viewOf(source);
    return `${base}/statistics?${new URLSearchParams({ ...view, ...Object.fromEntries(query) })}`;
  });
  return html`<ul class="ranges" aria-label="Range of the chart">
${links}</ul>
<div class="charts">
${chartMarkup(mi.history, { title, unit, lines }, range)}</div>
`;
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

/** What is kept over time, by full name. */
type Series = ReadonlyMap<string, KeptSeries>;

function groupTable(source: Source, group: string, members: readonly Row[], series: Series): Markup {
  const rows = members.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const id = `group-${group}`;
  return html`<h3 id="${id}">${group}</h3>
<div class="frame" tabindex="0" role="region" aria-labelledby="${id}"><table>
<thead><tr><th scope="col">statistic</th><th scope="col">value</th><th scope="col">a second</th><th scope="col" class="past">last 10 minutes</th>${source.reset !== undefined && resetHead}</tr></thead>
<tbody>
${rows.map((row) => rowMarkup(source, row, series))}</tbody>
</table></div>
`;
}

const resetHead = html`<th scope="col" class="reset"><span class="hidden">Reset</span></th>`;

function rowMarkup({ mi, reset, pins }: Source, row: Row, series: Series): Markup {
  const { group, name, value, unit, kind, help, rate } = row;
  const full = `${group}:${name}`;
  const kept = series.get(full);
  // A button of the form, so that what is looked for stays.
  const title =
    kept === undefined
      ? name
      : html`<button type="submit" form="statistics" name="chart" value="${full}">${name}</button>`;
  const about = [help, kind !== undefined && `(${kind}${unit === undefined ? '' : `, ${unit}`})`];
  const text = about.filter((one) => one !== false && one !== '').join(' ');
  const told = text === '' ? undefined : html` <span class="help">${text}</span>`;
  // By the name of its field the question has it as a list of one.
  const back =
    kind === 'counter' &&
    html`<button type="submit" form="reset" name="p.statistics" value="${JSON.stringify([name])}" aria-label="Reset ${full}">Reset…</button>`;
  const grown = rate === undefined ? '' : valueText(rate, unit);
  return html`<tr><th scope="row">${title}${pinButton(full, pins.has(full))}${told}</th><td class="number" data-statistic="${full}" data-value="${value}">${valueText(value, unit)}</td><td class="number">${grown}</td><td class="past" data-name="${full}" data-unit="${unit ?? ''}">${kept !== undefined && past(mi, kept)}</td>${reset !== undefined && html`<td class="reset">${back}</td>`}</tr>
`;
}

function past({ history }: ManagementInterface, kept: KeptSeries): Markup | undefined {
  const { name } = kept;
  const [part] = history.read([kept], ranges[0].seconds, undefined);
  const values = part?.series[0]?.values;
  if (part === undefined || values === undefined) return undefined;
  const isRate = kept.kind === 'counter';
  const unit = kept.statistic?.about.unit;
  const shown = isRate ? ratesOf(values, part.resolution) : values;
  return sparkline(shown, `${name}${isRate ? ' a second' : ''}, last 10 minutes`, (value) => valueText(value, unit));
}
