import { html, type Insertion, type Markup } from '../http/pages/html.js';
import type { Client } from '../mi/calls/call.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { type ForeignServer, type ForeignStatistic, readStatistic, type Statistic } from '../mi/statistics.js';
import type { StatusIdentifier, StatusReports } from '../mi/status-reports.js';
import { type Chart, chartMarkup, rangeLinks, ranges } from './charts.js';
import { pathOf } from './page.js';
import { pinTiles } from './pins.js';
import { timeText, valueText } from './quantities.js';
import { cell, headCell, recordRow, recordTable } from './tables.js';
import { dateMarkup } from './times.js';
import { visible } from './visible.js';

/** What the overview is made from. */
interface Source {
  /** Path of the root: `/mi`. */
  readonly base: string;
  readonly mi: ManagementInterface;
  readonly status: StatusReports;
  /** The caller, who is shown what its commands would tell. */
  readonly client: Client;
  /** Seconds of the past that charts show. */
  readonly range: number;
  /** Full names of the statistics that the browser has pinned, and those of other servers where these are needed. */
  readonly pins: readonly string[];
  readonly foreign: readonly ForeignStatistic[];
}

const charts: readonly Chart[] = [
  {
    title: 'Calls a second',
    unit: undefined,
    lines: [
      { name: 'mi:calls', label: 'calls', isRate: true },
      { name: 'mi:errors', label: 'failed', isRate: true },
    ],
  },
  {
    title: 'Time of calls',
    unit: 'microseconds',
    lines: [
      { name: 'mi:latency_p50_us', label: 'half of them', isRate: false },
      { name: 'mi:latency_p99_us', label: '99 of 100', isRate: false },
    ],
  },
  {
    title: 'Memory',
    unit: 'bytes',
    lines: [
      { name: 'mem:resident', label: 'of the process', isRate: false },
      { name: 'mem:heap_used', label: 'of JavaScript', isRate: false },
    ],
  },
];

/** Key statistics of an OpenSIPS, as people call them. */
const keyTitles: Readonly<Record<string, Omit<Chart, 'lines'> & { readonly isRate: boolean }>> = {
  'dialog:active_dialogs': { title: 'Active dialogs', unit: undefined, isRate: false },
  'usrloc:registered_users': { title: 'Registered users', unit: undefined, isRate: false },
  'load:load': { title: 'Load', unit: '%', isRate: false },
  'shmem:used_size': { title: 'Shared memory in use', unit: 'bytes', isRate: false },
  'core:rcv_requests': { title: 'Requests a second', unit: undefined, isRate: true },
  'tm:inuse_transactions': { title: 'Transactions in use', unit: undefined, isRate: false },
  'dialog:failed_dialogs': { title: 'Failed dialogs a second', unit: undefined, isRate: true },
  'core:drop_requests': { title: 'Dropped requests a second', unit: undefined, isRate: true },
};

/** Commands that the table of the busiest ones has. */
const busiest = 8;

/** The first page: how the server does, and has done. */
export function overview(source: Source): Markup {
  const { base, mi, status, client } = source;
  const mayHistory = may(source, 'statistics:history');
  const isKept = mi.history.isOn;
  const parts: Insertion[] = [
    may(source, 'status_report:get') && judgement(base, status),
    may(source, 'statistics:get') && tiles(mi),
    pinTiles(base, mi, source.foreign, source.pins),
    mayHistory && isKept && chartSection(source),
    may(source, 'statistics:latency') && commandTable(base, mi, client),
    mayHistory && nodeSections(source),
  ];
  const path =
    mayHistory && isKept
      ? html` data-history="${base}/statistics/statistics:history" data-range="${source.range}"`
      : undefined;
  return html`<div class="overview"${path}>
<h2>Overview</h2>
${parts}</div>
`;
}

function may({ mi, client }: Source, fullName: string): boolean {
  const entry = mi.commands.entries.find((one) => one.fullName === fullName);
  return entry !== undefined && mi.denial(entry, client) === undefined;
}

/** One sentence. */
function judgement(base: string, status: StatusReports): Markup {
  const all = [...status.groups.values()].flatMap((group) => [...group.values()]);
  const bad = all.filter(({ isReady }) => !isReady);
  if (bad.length === 0) {
    const text = all.length === 1 ? 'The server is ready.' : `All ${all.length} parts are ready.`;
    return html`<div class="judgement" data-state="good" data-part="judgement"><p>${text}</p></div>\n`;
  }
  const told = bad.map((one) => html`<li>${unready(base, one)}</li>\n`);
  return html`<div class="judgement" data-state="bad" data-part="judgement"><p>${bad.length} of ${all.length} parts ${bad.length === 1 ? 'is' : 'are'} not ready:</p>
<ul>
${told}</ul></div>
`;
}

function unready(base: string, { group, name, since, details }: StatusIdentifier): Markup {
  const arg = encodeURIComponent(JSON.stringify([group, name]));
  const length = timeText(Math.max(0, Date.now() / 1000 - since));
  const reason = details === undefined ? undefined : html`: ${visible(details)}`;
  return html`<a href="${base}/status_report/status_report:reports?arg=${arg}">${group} ${name}</a> is not ready since ${dateMarkup(since * 1000)} (${length})${reason}`;
}

interface Tile {
  readonly title: string;
  readonly text: string;
  readonly isBad?: boolean;
  /** The kept statistic that the script reads it from. */
  readonly name: string | undefined;
  readonly isRate?: boolean;
  readonly unit?: string | undefined;
}

/** The numbers of now, and of the last ten seconds. */
function tiles(mi: ManagementInterface): Markup {
  const { statistics, history, latencies } = mi;
  const named = (name: string): Statistic | undefined => statistics.find([name], { all: false })[0];
  const rate = (title: string, name: string, isBadAbove?: number): Tile | undefined => {
    const statistic = named(name);
    if (statistic === undefined) return undefined;
    const found = history.rate(statistic);
    const text = found === undefined ? 'not known yet' : `${valueText(found, undefined)} /s`;
    const isBad = isBadAbove !== undefined && found !== undefined && found > isBadAbove;
    return { title, text, isBad, name: statistic.fullName, isRate: true };
  };
  const value = (title: string, name: string, unit?: string): Tile | undefined => {
    const statistic = named(name);
    if (statistic === undefined) return undefined;
    return { title, text: valueText(readStatistic(statistic), unit), name: statistic.fullName, unit };
  };
  const slow = latencies.recent(10, 0.99);
  const days = named('tls_days_left');
  const left = days === undefined ? undefined : readStatistic(days);
  const contacts = statistics.all.filter(({ group, name }) => group === 'usrloc' && name.endsWith('-contacts'));
  const expired = statistics.all.filter(({ group, name }) => group === 'usrloc' && name.endsWith('-expires'));
  const all: readonly (Tile | undefined)[] = [
    rate('Calls', 'calls'),
    rate('Failed', 'errors', 0),
    {
      title: '99 of 100 calls within',
      text: Number.isNaN(slow) ? 'no calls' : valueText(slow, 'microseconds'),
      name: 'mi:latency_p99_us',
      unit: 'microseconds',
    },
    value('Running', 'pending'),
    value('Connections', 'connections'),
    ...contacts.map(({ name }) => value(contacts.length === 1 ? 'Contacts' : `Contacts, ${name.slice(0, -9)}`, name)),
    ...expired.map(({ name }) => rate(expired.length === 1 ? 'Expired' : `Expired, ${name.slice(0, -8)}`, name)),
    value('Memory', 'resident', 'bytes'),
    left === undefined
      ? undefined
      : { title: "Certificate's end", text: `${left} days`, isBad: left < 14, name: undefined },
  ];
  const shown = all.flatMap((tile) => (tile === undefined ? [] : [tile]));
  return html`<dl class="tiles">
${shown.map(tileMarkup)}</dl>
`;
}

function tileMarkup({ title, text, isBad, name, isRate, unit }: Tile): Markup {
  const live =
    name === undefined
      ? undefined
      : html` data-name="${name}" data-rate="${isRate === true ? 1 : 0}" data-unit="${unit ?? ''}"`;
  return html`<div${isBad === true && html` class="bad"`}><dt>${title}</dt><dd${live}>${text}</dd></div>\n`;
}

function chartSection(source: Source): Markup {
  const { base, mi, range } = source;
  const links = rangeLinks(range, (query) =>
    query.length === 0 ? base : `${base}?${query.map((pair) => pair.join('=')).join('&')}`,
  );
  return html`<ul class="ranges" aria-label="Range of the charts">
${links}<li><a href="${base}${range === ranges[0].seconds ? '' : `?range=${range}`}" class="refresh">Refresh</a></li>
<li><a href="${base}/statistics">All statistics</a></li>
</ul>
<div class="charts">
${charts.map((chart) => chartMarkup(mi.history, chart, range))}</div>
`;
}

/** The commands that took most of the time. */
function commandTable(base: string, mi: ManagementInterface, client: Client): Markup | undefined {
  const runnable = new Map(mi.visibleTo(client).map((entry) => [entry.fullName, entry]));
  const found = mi.timedCommands.flatMap(([name, { slot }]) => {
    const entry = runnable.get(name);
    const { sum, failed, longest, buckets } = mi.latencies.read(slot);
    return entry === undefined || sum === 0 ? [] : [{ entry, slot, sum, failed, longest, buckets }];
  });
  const all = found.reduce((total, { sum }) => total + sum, 0);
  if (all === 0) return undefined;
  const rows = found
    .sort((one, other) => other.sum - one.sum)
    .slice(0, busiest)
    .map(({ entry, slot, sum, failed, longest, buckets }) => {
      const calls = buckets.reduce((total, count) => total + count, 0);
      const numbers = [
        `${((100 * sum) / all).toFixed(1)} %`,
        ...[calls, failed].map((count) => valueText(count, undefined)),
        ...[...mi.latencies.quantiles(slot, quantiles), longest].map((time) => valueText(time, 'microseconds')),
      ];
      return recordRow([
        headCell('command', commandLink(base, entry)),
        ...numbers.map((text, index) => cell(busiestHeads[index + 1] ?? '', text, 'number')),
      ]);
    });
  return html`<h3 id="busiest">Commands by their share of the time</h3>
<div data-part="busiest">
${recordTable('Commands by their share of the time', busiestHeads, rows)}</div>
`;
}

const busiestHeads = [
  'command',
  'share',
  'calls',
  'failed',
  'half within',
  '9 of 10 within',
  '99 of 100 within',
  'longest',
];

const quantiles = Float64Array.of(0.5, 0.9, 0.99);

function commandLink(base: string, entry: CommandEntry): Markup {
  return html`<a href="${pathOf(base, entry)}">${entry.fullName}</a>`;
}

function nodeSections(source: Source): Markup | undefined {
  const servers = source.mi.foreignStatistics?.servers ?? [];
  if (servers.length === 0) return undefined;
  return html`${servers.map((server) => nodeSection(source, server))}`;
}

/** One OpenSIPS: whether it answers, and what tells how it does. */
function nodeSection(source: Source, { name, version, key }: ForeignServer): Markup {
  const { base, mi, status, range, client } = source;
  const identifiers = status.groups.get('opensips');
  const identifier = identifiers?.get(name);
  const mirror = identifiers?.get(`${name}:mirror`);
  const transports = [...(identifiers?.values() ?? [])].filter(
    (one) => one.name.startsWith(`${name}:`) && one !== mirror,
  );
  // Reasons are what reports of the status tell.
  const mayTell = may(source, 'status_report:get');
  const reasonOf = (...all: readonly (StatusIdentifier | undefined)[]): Insertion =>
    mayTell && html`: ${visible(all.map((one) => one?.details ?? '').join('; '))}`;
  const down = transports.filter(({ isReady }) => !isReady);
  const isUp = identifier?.isReady === true;
  const health = isUp
    ? html`It answers, ${version}.`
    : html`It does not answer since ${dateMarkup((identifier?.since ?? 0) * 1000)}${reasonOf(identifier)}`;
  const broken =
    isUp &&
    down.length > 0 &&
    html` ${down.length} of its ${transports.length} transports ${down.length === 1 ? 'is' : 'are'} down${reasonOf(...down)}`;
  const isOff = isUp && mirror?.isReady === false;
  const hasPage = mi.visibleTo(client).some(({ module }) => module === name);
  const title = hasPage ? html`<a href="${base}/${name}">${name}</a>` : name;
  const figures = [...key].map(([own, { group, name: statistic, value }]) => {
    const { title: keyTitle, unit, isRate } = keyTitles[own] ?? { title: own, unit: undefined, isRate: false };
    const line = { name: `${group}:${statistic}`, label: keyTitle, isRate };
    const drawn = chartMarkup(mi.history, { title: keyTitle, unit, lines: [line] }, range);
    return (
      drawn ??
      html`<figure class="chart"><figcaption>${keyTitle}</figcaption><p class="now">${valueText(Number(value), unit)}</p></figure>\n`
    );
  });
  return html`<section class="node" aria-labelledby="node-${name}">
<h3 id="node-${name}">OpenSIPS ${title}</h3>
<p class="judgement" data-state="${isUp && down.length === 0 && !isOff ? 'good' : 'bad'}" data-part="node-${name}">${health}${broken}${isOff && html` Its contacts are not mirrored${reasonOf(mirror)}`}</p>
${figures.length > 0 && html`<div class="charts">\n${figures}</div>\n`}</section>
`;
}
