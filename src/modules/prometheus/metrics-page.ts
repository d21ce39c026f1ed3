import type { ForeignNode, Statistic, Statistics, StatisticsSelection } from '../../mi/statistics.js';
import { type MetricsText, metricsText } from '../../native/addon.js';
import type { Called, CommandLatencies } from './command-latencies.js';
import { Families, type Family, type Form, type MetricType, templateOf } from './families.js';
import type { Naming } from './naming.js';
import type { ProcessMetrics } from './process-metrics.js';

/** What a page has, and where it comes from. */
export interface PageOptions {
  readonly naming: Naming;
  /** `all`, groups with a colon, names; undefined: everything. */
  readonly items: readonly string[] | undefined;
  readonly statistics: Statistics;
  readonly process: ProcessMetrics;
  readonly latencies: CommandLatencies;
  /** Told of statistics that are left out, since their metrics would have the name and labels of other ones. */
  leftOut(owner: string, statistics: readonly string[]): void;
}

/** The series of a page, and where their numbers lie. They hold until statistics or nodes come or go. */
interface Layout {
  readonly families: readonly Family[];
  /** Statistics of this server when it was made. */
  readonly ownCount: number;
  readonly own: StatisticsSelection;
  /** Numbers that are no statistics of this server: those of the process, then those of nodes. */
  readonly more: Float64Array;
  /** Values of the process, the first of {@link more}. */
  readonly process: Float64Array | undefined;
  /** Commands that were called, and where the numbers of the first one lie; those of the others follow. */
  readonly called: readonly Called[];
  readonly firstLatency: number;
  readonly nodes: readonly NodeLayout[];
  readonly texts: Map<Form, MetricsText>;
}

/** The numbers of one node within {@link Layout.more}. */
interface NodeLayout {
  readonly name: string;
  /** Where it is told whether the node is up. */
  readonly up: number;
  /** Those that are sent, as indexes of the statistics of the node, and where they lie. */
  readonly places: readonly (readonly [index: number, place: number])[];
  /** Those that the layout was made for, and whose values were copied last. */
  statistics: ForeignNode['statistics'];
}

const none: readonly Called[] = [];

/** Prints all metrics. What is the same at each scrape is encoded once, in native memory. */
export class MetricsPage {
  readonly #options: PageOptions;
  /** Whether it has the metrics of the process, and those of latencies. */
  readonly #hasProcess: boolean;
  readonly #hasLatencies: boolean;
  #layout: Layout | undefined;
  #window = new Uint8Array(65536);

  constructor(options: PageOptions) {
    this.#options = options;
    this.#hasProcess = this.#sends('process:');
    this.#hasLatencies = this.#sends('latency:');
  }

  /**
   * @param nodes OpenSIPS servers, as they are now
   * @returns bytes that are valid until the next page
   */
  print(form: Form, nodes: readonly ForeignNode[]): Uint8Array {
    const { statistics, process, latencies } = this.#options;
    const layout = this.#current(nodes);
    layout.own.refresh();
    if (layout.process !== undefined) process.read(layout.process);
    for (const [index, command] of layout.called.entries())
      latencies.write(command, layout.more, layout.firstLatency + index * latencies.numbers);
    for (const [index, node] of nodes.entries()) {
      const of = layout.nodes[index];
      if (of === undefined) continue;
      layout.more[of.up] = node.isUp ? 1 : 0;
      for (const [at, place] of of.places) layout.more[place] = node.statistics[at]?.value ?? Number.NaN;
    }
    let text = layout.texts.get(form);
    if (text === undefined) {
      const template = templateOf(layout.families, form);
      text = metricsText(template.text, template.ends, template.slots);
      layout.texts.set(form, text);
    }
    const values = statistics.sums;
    for (;;) {
      const length = text.print(values, layout.more, this.#window);
      if (length >= 0) return this.#window.subarray(0, length);
      this.#window = new Uint8Array(this.#window.length * 2);
    }
  }

  #current(nodes: readonly ForeignNode[]): Layout {
    const layout = this.#layout;
    const isSame =
      layout !== undefined &&
      layout.ownCount === this.#options.statistics.all.length &&
      layout.called === this.#called &&
      layout.nodes.length === nodes.length &&
      layout.nodes.every((known, index) => fits(known, nodes[index]));
    if (isSame) return layout;
    this.#layout = this.#made(nodes);
    return this.#layout;
  }

  /** The commands whose latencies are sent. */
  get #called(): readonly Called[] {
    return this.#hasLatencies ? this.#options.latencies.called : none;
  }

  #sends(group: string): boolean {
    const { items } = this.#options;
    return items === undefined || items.some((item) => [group, 'all'].includes(item.toLowerCase()));
  }

  #made(nodes: readonly ForeignNode[]): Layout {
    const { statistics, process, latencies } = this.#options;
    const families = new Families();
    const durations = this.#options.naming.own('command_duration_seconds');
    families.reserve(durations);
    const hasProcess = this.#hasProcess;
    const places = new Places(statistics.values.length, hasProcess ? process.count : 0);
    const ups = nodes.map((node) => this.#addUp(families, places, node));
    const own = this.#addOwn(families);
    const nodeLayouts = nodes.map((node, index) => this.#addNode(families, places, node, ups[index] ?? 0));
    const called = this.#called;
    const firstLatency = places.count;
    for (const command of called) {
      latencies.add(families, durations, command, places.next(latencies.numbers));
    }
    const refreshed = hasProcess ? [...own, ...this.#addProcess(families)] : own;
    const more = new Float64Array(places.count);
    return {
      families: families.all,
      ownCount: statistics.all.length,
      own: statistics.select([...new Set(refreshed)]),
      more,
      process: hasProcess ? more.subarray(0, process.count) : undefined,
      called,
      firstLatency,
      nodes: nodeLayouts,
      texts: new Map(),
    };
  }

  /** @returns the place of what tells whether a node is up */
  #addUp(families: Families, places: Places, { name }: ForeignNode): number {
    const about = {
      name: this.#options.naming.own('up'),
      type: 'gauge',
      help: '1 while the OpenSIPS server answers, 0 while it does not.',
    } as const;
    const up = places.count;
    families.add(about, [['node', name]], places.next(1));
    return up;
  }

  /** @returns the statistics of this server that are sent */
  #addOwn(families: Families): readonly Statistic[] {
    const { naming, items, statistics, leftOut } = this.#options;
    const own = selected(statistics.all, items);
    const excess = own.filter((statistic) => {
      const { group, name, about, slot } = statistic;
      const named = naming.statistic(group, name);
      return !families.add({ name: named.name, type: typeOf(statistic), ...about }, named.labels, slot);
    });
    if (excess.length > 0)
      leftOut(
        '',
        excess.map(({ fullName }) => fullName),
      );
    return own;
  }

  #addNode(families: Families, places: Places, node: ForeignNode, up: number): NodeLayout {
    const { naming, items, leftOut } = this.#options;
    const sent: (readonly [number, number])[] = [];
    const excess: string[] = [];
    const indexes = new Map(node.statistics.map((one, at) => [one, at]));
    for (const one of selected(node.statistics, items)) {
      const { group, name, kind = 'unknown' } = one;
      const named = naming.statistic(group, name, node.name);
      const help = `OpenSIPS statistic ${group}:${name}.`;
      const about = { name: named.name, type: kind, help, isForeign: true } as const;
      const place = places.count;
      if (families.add(about, named.labels, places.slot(place))) {
        places.next(1);
        sent.push([indexes.get(one) ?? 0, place]);
      } else excess.push(`${group}:${name}`);
    }
    if (excess.length > 0) leftOut(node.name, excess);
    return { name: node.name, up, places: sent, statistics: node.statistics };
  }

  /** @returns the statistics of this server that metrics of the process are read from */
  #addProcess(families: Families): readonly Statistic[] {
    const { statistics, process } = this.#options;
    const read: Statistic[] = [];
    for (const [index, metric] of process.all.entries()) {
      const source =
        metric.statistic === undefined ? undefined : statistics.find([metric.statistic], { all: false })[0];
      if (source !== undefined) read.push(source);
      families.add(metric, metric.labels, source?.slot ?? statistics.values.length + index);
    }
    return read;
  }
}

/** Places of numbers within {@link Layout.more}. */
class Places {
  readonly #first: number;
  count: number;

  /**
   * @param first slot of the first of them
   * @param taken how many are taken already
   */
  constructor(first: number, taken: number) {
    this.#first = first;
    this.count = taken;
  }

  /** The slot of a place, as a page has it. */
  slot(place: number): number {
    return this.#first + place;
  }

  /** Takes so many places; gives the slot of the first one. */
  next(count: number): number {
    const slot = this.slot(this.count);
    this.count += count;
    return slot;
  }
}

function typeOf({ kind, about }: Statistic): MetricType {
  if (kind === 'computed') return about.isTotal === true ? 'counter' : 'gauge';
  return kind;
}

/** True while the node has the statistics that the layout was made for; then the layout knows its new ones. */
function fits(known: NodeLayout, node: ForeignNode | undefined): boolean {
  if (node === undefined || node.name !== known.name) return false;
  if (node.statistics === known.statistics) return true;
  const { statistics } = node;
  if (statistics.length !== known.statistics.length) return false;
  const isSame = known.statistics.every((one, index) => {
    const other = statistics[index];
    return other?.name === one.name && other.group === one.group && other.kind === one.kind;
  });
  if (isSame) known.statistics = statistics;
  return isSame;
}

/** Those that the items name, in the order of the items, each once. */
function selected<S extends { readonly group: string; readonly name: string }>(
  all: readonly S[],
  items: readonly string[] | undefined,
): readonly S[] {
  if (items === undefined) return all;
  const found = new Set<S>();
  for (const item of items) {
    const key = item.toLowerCase();
    for (const one of all) {
      const group = `${one.group.toLowerCase()}:`;
      const name = one.name.toLowerCase();
      if (key === 'all' || key === group || key === name || key === group + name) found.add(one);
    }
  }
  return [...found];
}

/** Items that find nothing among the statistics of this server. */
export function unknownItems(statistics: Statistics, items: readonly string[]): readonly string[] {
  const others = ['all', 'process:', 'latency:'];
  return items.filter((item) => !others.includes(item.toLowerCase()) && selected(statistics.all, [item]).length === 0);
}
