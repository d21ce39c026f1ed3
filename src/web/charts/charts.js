// Charts of statistics over time, and the numbers of now. Without this script their place has small pictures and tables.
import uPlot from 'uplot';
import { compareStatistics } from '../assets/looked.js';
import { clockText, dateText, zoneChosen, zoneText } from '../assets/times.js';
import { valueText } from '../quantities.ts';

const root = document.querySelector('[data-history]');
/** Milliseconds between two questions; a long range has longer steps. */
const soon = 2000;
const late = 30_000;
/** Milliseconds after which what has no chart is read anew. */
const renewal = 30_000;
/** Seconds over which a rate of now is told. */
const rateSpan = 10;

const filter = document.querySelector('form.filter');
const all = document.querySelector('.statistics:has(.groups)');

if (all) compareStatistics(all);
if (root) begin(root);
if (filter) followFilter(filter);

function begin(root) {
  const range = Number(root.dataset.range);
  const isLong = range > 600;
  const figures = [...root.querySelectorAll('figure.chart[data-lines]')].map((figure) => ({
    figure,
    lines: JSON.parse(figure.dataset.lines),
  }));
  const tiles = () => [...root.querySelectorAll('dd[data-name]')];
  const names = [
    ...new Set([
      ...figures.flatMap(({ lines }) => lines.map(({ name }) => name)),
      ...tiles().map((one) => one.dataset.name),
    ]),
  ];
  if (names.length === 0) return;
  /** By name: times and values, both as long as the range. */
  const known = new Map();
  const told = document.createElement('p');
  told.className = 'live';
  told.setAttribute('role', 'status');
  root.querySelector('h2')?.after(told);
  let lost;
  let timer;
  let renewedAt = Date.now();
  const plots = figures.map(({ figure, lines }) => plotOf(figure, lines, known));

  async function ask() {
    clearTimeout(timer);
    const newest = Math.min(...names.map((name) => known.get(name)?.times.at(-1) ?? 0));
    // By the clock of the server, which alone knows its steps: two more than have passed.
    const missed = known.size === 0 ? range : Math.min(range, (Date.now() - askedAt) / 1000 + (isLong ? 90 : 5));
    try {
      const parts = await read(names, Math.ceil(missed), known.size === 0 ? undefined : isLong ? 30 : 1);
      if (parts.some(({ timestamps }) => newest > 0 && timestamps.at(-1) < newest - 60)) known.clear();
      for (const part of parts) take(part);
      askedAt = Date.now();
      lost = undefined;
      told.textContent = '';
      draw();
      if (Date.now() - renewedAt > renewal) await renew();
    } catch {
      lost ??= new Date();
      told.textContent = `The server has not answered since ${dateText(lost)}.`;
    }
    if (!document.hidden) timer = setTimeout(ask, isLong ? late : soon);
  }
  let askedAt = Date.now();

  async function read(statistics, seconds, resolution) {
    const arg = JSON.stringify(resolution === undefined ? [statistics, seconds] : [statistics, seconds, resolution]);
    const address = `${root.dataset.history}?${new URLSearchParams({ arg, raw: '1' })}`;
    const reply = await fetch(address, { headers: { Accept: 'application/json' } });
    if (!reply.ok) throw new Error(String(reply.status));
    return (await reply.json()).History;
  }

  function take({ resolution, timestamps, series }) {
    for (const { name, values } of series) {
      const before = known.get(name) ?? { resolution, times: [], values: [] };
      const first = timestamps[0];
      // What is told again is newer: a step that was under way has its value now.
      const kept = before.times.filter((time) => time < first);
      const all = {
        resolution,
        times: [...kept, ...timestamps].slice(-Math.ceil(range / resolution)),
        values: [...before.values.slice(0, kept.length), ...values].slice(-Math.ceil(range / resolution)),
      };
      known.set(name, all);
    }
  }

  function draw() {
    if (figures.length > 0) for (const plot of plots) plot();
    for (const tile of tiles()) {
      const { name, rate, unit } = tile.dataset;
      const one = known.get(name);
      if (one === undefined || isLong) continue;
      if (rate === '1') {
        const last = one.values.slice(-rateSpan - 1).filter((value) => value !== null);
        const grown = last.length > 1 ? (last.at(-1) - last[0]) / (last.length - 1) / one.resolution : undefined;
        if (grown !== undefined && grown >= 0) tile.textContent = `${valueText(grown, unit)} /s`;
      } else {
        const last = one.values.findLast((value) => value !== null);
        if (last !== undefined) tile.textContent = valueText(last, unit);
      }
    }
  }

  /** Sentences and tables are made by the server alone. */
  async function renew() {
    renewedAt = Date.now();
    const reply = await fetch(location.href, { headers: { Accept: 'text/html' } });
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
    for (const part of root.querySelectorAll('[data-part]')) {
      const fresh = page.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
      if (fresh && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(fresh));
    }
    // What the header and the tab tell of the state.
    for (const state of ['header .state', 'link[rel=icon]']) {
      const [old, now] = [document, page].map((one) => one.querySelector(state));
      if (old && now && old.outerHTML !== now.outerHTML) old.replaceWith(document.adoptNode(now));
    }
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer);
    else void ask();
  });
  for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
    matchMedia(query).addEventListener('change', () => {
      for (const plot of plots) plot(true);
    });
  }
  document.addEventListener(zoneChosen, () => {
    for (const plot of plots) plot(true);
  });
  void ask();
}

/** What is looked for is shown while it is typed, and stands in the address, which Back leads to again. */
function followFilter(form) {
  const input = form.querySelector('input');
  let asked;
  input.addEventListener('input', async () => {
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    const address = new URL(location.href);
    if (input.value === '') address.searchParams.delete('filter');
    else address.searchParams.set('filter', input.value);
    history.replaceState(null, '', address);
    try {
      const reply = await fetch(address, { headers: { Accept: 'text/html' }, signal });
      const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
      for (const part of ['.groups', '.filter .count']) {
        const [old, fresh] = [document, page].map((one) => one.querySelector(part));
        if (old && fresh && !signal.aborted) old.replaceWith(document.adoptNode(fresh));
      }
    } catch {
      // The next letter asks again, and the button does.
    }
  });
}

function coloursOf() {
  if (matchMedia('(forced-colors: active)').matches) {
    return { ink: 'CanvasText', grid: 'GrayText', lines: ['CanvasText', 'LinkText', 'GrayText'] };
  }
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of('--soft'), grid: of('--line'), lines: [of('--accent'), of('--bad'), of('--good')] };
}

/** Draws a chart, or draws it anew, from what is known. */
function plotOf(figure, lines, known) {
  const place = figure.querySelector('.lines');
  const unit = figure.dataset.unit;
  const title = figure.querySelector('figcaption')?.textContent ?? '';
  const target = document.createElement('div');
  target.className = 'plot';
  let plot;
  const sizeOf = () => ({ width: Math.max(160, Math.floor(figure.clientWidth - 2)), height: 170 });
  new ResizeObserver(() => {
    const size = sizeOf();
    if (plot && plot.width !== size.width) plot.setSize(size);
  }).observe(figure);

  return (isAnew = false) => {
    const [first] = lines.map(({ name }) => known.get(name));
    if (first === undefined || first.times.length < 2) return;
    const data = [first.times.slice(1), ...lines.map((line) => shownOf(line, known.get(line.name)))];
    if (plot && !isAnew) {
      plot.setData(data);
      return;
    }
    plot?.destroy();
    if (!target.isConnected) place.replaceWith(target);
    plot = new uPlot(optionsOf(lines, unit, sizeOf()), data, target);
    plot.root.setAttribute('role', 'img');
    plot.root.setAttribute('aria-label', `${title}: a chart. The table below has its values.`);
  };
}

function optionsOf(lines, unit, size) {
  const { ink, grid, lines: colours } = coloursOf();
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const time = (second, length) => clockText(new Date(second * 1000), length);
  const value = (_plot, shown) => (shown === null || shown === undefined ? '' : valueText(shown, unit));
  return {
    ...size,
    cursor: { sync: { key: 'mi' }, drag: { x: false, y: false } },
    axes: [
      { ...axis, values: (_plot, splits, _axis, _space, step) => splits.map((at) => time(at, step < 60 ? 8 : 5)) },
      { ...axis, size: 72, values: (_plot, splits) => splits.map((at) => valueText(at, unit)) },
    ],
    scales: { y: { range: (_plot, least, most) => [Math.min(0, least ?? 0), most > 0 ? most * 1.1 : 1] } },
    series: [
      { label: zoneText(new Date()), value: (_plot, at) => (at === null || at === undefined ? '' : time(at, 8)) },
      ...lines.map(({ label }, index) => ({
        label,
        value,
        stroke: colours[index % colours.length],
        width: 1.5,
        // Colour alone tells nothing.
        dash: index === 0 ? undefined : [6, 4],
        points: { show: false },
      })),
    ],
  };
}

/** One value less than there is: a rate needs two. */
function shownOf({ isRate }, one) {
  if (one === undefined) return [];
  if (!isRate) return one.values.slice(1);
  return one.values.slice(1).map((value, index) => {
    const before = one.values[index];
    if (value === null || before === null) return null;
    return (value < before ? value : value - before) / one.resolution;
  });
}
