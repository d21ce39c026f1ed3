import { dateOf, monotonicTime } from '../base/clock.js';
import type { Latencies } from '../native/latencies.js';
import { type OneSeries, type SeriesShape, SeriesTable } from '../native/series.js';
import { readStatistic, type Statistic, type Statistics } from './statistics.js';

/** Bytes that all series take together at most. */
const mostBytes = 1_700_000;

/** Milliseconds of a second at which samples are taken: far from both ends, so that a late timer misses none. */
const phase = 500;

/** A computed statistic may take a thousandth of the time: one that took so many milliseconds rests a thousand times as long. */
const rest = 1000;
const freeOfRest = 1;

/** Of every second for ten minutes, and of every half minute for a day. */
const ownShape: SeriesShape = { step: 1, fine: 600, factor: 30, coarse: 2880 };

/** Series of the latencies of all calls. */
const latencyNames = { 'mi:latency_p50_us': 0.5, 'mi:latency_p99_us': 0.99 } as const;

/** The statistics that every server keeps. */
const chosen: readonly string[] = [
  ...['requests', 'replies_2xx', 'replies_3xx', 'replies_4xx', 'replies_5xx', 'bytes_in', 'bytes_out'],
  ...['connections', 'exchanges', 'refused', 'refused_connections', 'access_denied', 'timeouts', 'aborted'],
  ...['calls', 'errors', 'pending', 'denied', 'rate_limited', 'batches'],
  ...['resident', 'heap_used', 'native', 'bodies', 'windows_in_use', 'dumps_open', 'compressions', 'usrloc_used'],
  ...['log_dropped', 'events_raised', 'event_subscribers', 'events_sent', 'events_dropped'],
  ...['registered_users', 'location-contacts', 'location-expires', 'cache_entries'],
  ...['upstream_calls', 'upstream_errors', 'upstream_time_us'],
];

/** The kind of what is kept: a counter is shown as a rate. */
export type SeriesKind = 'counter' | 'gauge';

/** A statistic that is kept over time. */
export interface KeptSeries {
  readonly name: string;
  readonly kind: SeriesKind;
  /** Its statistic, where it is one of this server. */
  readonly statistic: Statistic | undefined;
  readonly series: OneSeries;
}

/** The values of some series in steps of one length. */
export interface HistoryPart {
  /** Seconds of a step. */
  readonly resolution: number;
  /** Seconds since 1970 of each step, by the clock of the machine as it is set now. */
  readonly timestamps: readonly number[];
  readonly series: readonly {
    readonly name: string;
    readonly kind: SeriesKind;
    readonly values: readonly (number | null)[];
  }[];
}

/** Seconds over which the present rate of a counter is told. */
const rateSpan = 10;

/** The values of all statistics as they were at a second. */
interface Snapshot {
  second: number;
  readonly values: Float64Array;
}

/** A statistic of this server, with when it is read again. */
interface Sampled {
  readonly statistic: Statistic | undefined;
  readonly quantile: number;
  /** By `performance.now()`. */
  due: number;
}

/**
 * Statistics over time: of this server each second, of others as often as they are asked. One timer takes the samples. It
 * does not keep the process alive. Times are counted by a clock that nobody sets; dates are made when they are told.
 */
export class History {
  readonly #statistics: Statistics;
  readonly #latencies: Latencies;
  readonly #table = new SeriesTable(ownShape);
  readonly #kept = new Map<string, KeptSeries>();
  readonly #sampled: Sampled[] = [];
  #values = new Float64Array(0);
  readonly #askers: { readonly step: number; readonly ask: () => void }[] = [];
  #bytes = 0;
  /** Of the last seconds, the oldest in front. */
  readonly #snapshots: Snapshot[] = [];
  #named: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isOn = true;

  constructor(statistics: Statistics, latencies: Latencies) {
    this.#statistics = statistics;
    this.#latencies = latencies;
  }

  /** False: nothing is kept. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Turns it off. */
  turnOff(): void {
    this.#isOn = false;
  }

  /** @param named names of statistics that are kept besides the chosen ones: with their group, or bare */
  choose(named: readonly string[]): void {
    this.#named = named;
  }

  /** Calls a function in every step of so many seconds: it asks for statistics of other servers, and waits for nothing. */
  askEvery(step: number, ask: () => void): void {
    this.#askers.push({ step, ask });
  }

  /** True for a statistic that is to be kept besides the chosen ones. */
  isNamed(name: string): boolean {
    return this.#named.some((one) => one.toLowerCase() === name.toLowerCase());
  }

  /** All that is kept. */
  get kept(): readonly KeptSeries[] {
    return [...this.#kept.values()];
  }

  /**
   * Begins to take samples; every statistic is registered by now.
   *
   * @returns the named ones that are not kept: they do not exist, or have no room
   */
  begin(): readonly string[] {
    if (!this.#isOn || this.#timer !== undefined) return [];
    const missing = this.#named.filter((name) => !this.#keep(name));
    for (const name of Object.keys(latencyNames) as (keyof typeof latencyNames)[]) {
      this.#add({ name, kind: 'gauge', statistic: undefined }, latencyNames[name]);
    }
    for (const name of chosen) this.#keep(name);
    this.#values = new Float64Array(this.#sampled.length);
    this.#schedule();
    // Others may have what this server has not.
    return this.#askers.length > 0 ? [] : missing;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isOn = false;
  }

  /** The named ones that do not exist, as far as that is known before the start. */
  get unknown(): readonly string[] {
    if (!this.#isOn || this.#askers.length > 0) return [];
    return this.#named.filter((name) => !Object.hasOwn(latencyNames, name) && this.#find(name) === undefined);
  }

  #find(name: string): Statistic | undefined {
    const bare = name.slice(name.indexOf(':') + 1);
    const [statistic] = this.#statistics.find([bare], { all: false });
    const isIt = bare === name || statistic?.fullName.toLowerCase() === name.toLowerCase();
    return isIt ? statistic : undefined;
  }

  /** @returns whether a statistic of this name is kept now */
  #keep(name: string): boolean {
    const statistic = this.#find(name);
    if (statistic === undefined) return false;
    if (this.#kept.has(statistic.fullName)) return true;
    const kind = statistic.kind === 'counter' || statistic.about.isTotal === true ? 'counter' : 'gauge';
    return this.#add({ name: statistic.fullName, kind, statistic }, 0);
  }

  #add(one: Omit<KeptSeries, 'series'>, quantile: number): boolean {
    const series = this.#room(this.#table, one.kind === 'gauge');
    if (series === undefined) return false;
    this.#kept.set(one.name, { ...one, series });
    this.#sampled.push({ statistic: one.statistic, quantile, due: 0 });
    return true;
  }

  #room(table: SeriesTable, isMean: boolean): OneSeries | undefined {
    if (this.#bytes + table.seriesBytes > mostBytes) return undefined;
    this.#bytes += table.seriesBytes;
    return { table, index: table.add(isMean) };
  }

  /**
   * A series of another server, made when it is first asked for.
   *
   * @returns undefined when there is no room for it, or nothing is kept
   */
  foreign(table: SeriesTable, name: string, kind: SeriesKind): KeptSeries | undefined {
    const known = this.#kept.get(name);
    if (known !== undefined) return known.statistic === undefined ? known : undefined;
    if (!this.#isOn) return undefined;
    const series = this.#room(table, kind === 'gauge');
    if (series === undefined) return undefined;
    const made: KeptSeries = { name, kind, statistic: undefined, series };
    this.#kept.set(name, made);
    return made;
  }

  #schedule(): void {
    const wait = 1000 - ((monotonicTime() + 1000 - phase) % 1000);
    // A timer may be early by a little: its second has its sample then.
    this.#timer = setTimeout(this.#tick, wait < phase / 2 ? wait + 1000 : wait);
    this.#timer.unref();
  }

  readonly #tick = (): void => {
    try {
      this.#schedule();
    } catch {
      // Where no timer can be made, the last one runs again.
      this.#timer?.refresh();
    }
    const second = Math.floor(monotonicTime() / 1000);
    this.#latencies.tick();
    for (const [index, sampled] of this.#sampled.entries()) this.#values[index] = this.#sample(sampled);
    this.#table.putAll(second, this.#values);
    this.#remember(second);
    for (const { step, ask } of this.#askers) if (second % step === 0) ask();
  };

  #remember(second: number): void {
    const size = this.#statistics.all.length;
    const oldest = this.#snapshots.length > rateSpan ? this.#snapshots.shift() : undefined;
    const reused = oldest?.values.length === size ? oldest : { second, values: new Float64Array(size) };
    reused.second = second;
    reused.values.set(this.#statistics.sums.subarray(0, size));
    this.#snapshots.push(reused);
  }

  /** How much a counter of this server has grown a second in the last ten; undefined while that is not known. */
  rate({ slot }: Statistic): number | undefined {
    const [oldest] = this.#snapshots;
    const newest = this.#snapshots.at(-1);
    if (oldest === undefined || newest === undefined || newest.second <= oldest.second) return undefined;
    const now = newest.values[slot];
    const before = oldest.values[slot];
    if (now === undefined || before === undefined) return undefined;
    // Less than before: it was set back to 0 meanwhile.
    return (now < before ? now : now - before) / (newest.second - oldest.second);
  }

  #sample(sampled: Sampled): number {
    const { statistic, quantile } = sampled;
    if (statistic === undefined) return this.#latencies.recent(1, quantile);
    if (statistic.compute === undefined) return statistic.value;
    const begun = performance.now();
    // A gap is better than what keeps others waiting.
    if (begun < sampled.due) return Number.NaN;
    const value = readStatistic(statistic);
    const taken = performance.now() - begun;
    if (taken > freeOfRest) sampled.due = begun + taken * rest;
    return value;
  }

  /**
   * The kept series that items name: a group with a colon, a full name, or a bare one. Names have no case.
   */
  find(items: readonly string[]): readonly KeptSeries[] {
    const keys = new Set(items.map((item) => item.toLowerCase()));
    return this.kept.filter(({ name }) => {
      const key = name.toLowerCase();
      const colon = key.indexOf(':');
      return keys.has('all') || keys.has(key) || keys.has(key.slice(0, colon + 1)) || keys.has(key.slice(colon + 1));
    });
  }

  /**
   * Values of the last seconds, parted by the length of their steps.
   *
   * @param resolution seconds of a step, of which the nearest that is kept is taken; undefined: the finest that reaches so far back
   */
  read(wanted: readonly KeptSeries[], range: number, resolution: number | undefined): readonly HistoryPart[] {
    const now = Math.floor(monotonicTime() / 1000);
    const parts: HistoryPart[] = [];
    for (const table of new Set(wanted.map(({ series }) => series.table))) {
      const isCoarse = table.isCoarse(range, resolution);
      const { first, count, step } = table.span(now, range, isCoarse);
      const cells = new Float64Array(count);
      const series = wanted
        .filter((one) => one.series.table === table)
        .map(({ name, kind, series: { index } }) => {
          table.read(index, isCoarse, first, cells);
          return { name, kind, values: Array.from(cells, (value) => (Number.isNaN(value) ? null : value)) };
        });
      const begin = dateOf(first * step);
      const timestamps = Array.from(cells, (_, at) => begin + at * step);
      parts.push({ resolution: step, timestamps, series });
    }
    return parts;
  }
}
