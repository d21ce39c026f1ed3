import { coded } from '../base/codes.js';
import {
  aBoolean,
  aFunction,
  aText,
  checkGiven,
  checkMembers,
  type Members,
  oneOf,
  shown,
  type Wanted,
} from '../base/given.js';
import type { JsonValue } from '../base/json.js';
import type { CodedLog } from '../base/log.js';
import { OwnContext } from '../base/own-context.js';
import { Rows, type SharedRows } from '../base/rows.js';
import { StatisticsTable } from '../native/addon.js';
import { BytesCursor, type Cursor, Piecewise } from './results/cursor.js';

/**
 * - `counter` only grows and can be reset to 0 ("incremental");
 * - `gauge` is set and cannot be reset ("non-incremental");
 * - `computed` is read from a function each time it is asked for ("non-incremental").
 */
export type StatisticKind = 'counter' | 'gauge' | 'computed';

/** What a statistic says of itself to people and to monitoring systems. */
export interface StatisticAbout {
  /** Unit of the value, in the plural: `bytes`, `seconds`, `microseconds`. Left out: the value is a count. */
  readonly unit?: string;
  /** A sentence that says what the value means. */
  readonly help?: string;
  /** True for a computed one that only grows: monitoring systems take it for a counter. */
  readonly isTotal?: boolean;
}

/** One statistic. Its value lives in native memory, where the reply is printed from. */
export class Statistic {
  /** Where this thread counts. */
  readonly values: Float64Array;
  readonly #rows: Rows;

  constructor(
    readonly group: string,
    readonly name: string,
    readonly kind: StatisticKind,
    readonly slot: number,
    rows: Rows,
    readonly compute?: () => number,
    /** Told when {@link compute} fails. */
    readonly failed?: (statistic: Statistic, error: unknown) => void,
    readonly about: StatisticAbout = {},
  ) {
    this.#rows = rows;
    this.values = rows.own;
  }

  get fullName(): string {
    return `${this.group}:${this.name}`;
  }

  /** What this thread has counted. */
  get own(): number {
    return this.values[this.slot] ?? 0;
  }

  /** Of all threads together. What is set is that of a counter, and of a gauge the part of this thread. */
  get value(): number {
    return this.#rows.sum(this.slot);
  }

  set value(value: number) {
    if (this.kind === 'counter') this.#rows.set(this.slot, value);
    else this.values[this.slot] = value;
  }

  add(amount: number): void {
    this.values[this.slot] = (this.values[this.slot] ?? 0) + amount;
  }
}

/** Functions of computed ones run in it: a store that one enters is not seen by the call that asks next. */
const context = new OwnContext();

/** One that fails has no value, which is printed as null: the others have theirs. */
function computed(statistic: Statistic, compute: () => number): number {
  try {
    const value: unknown = compute();
    if (typeof value === 'number') return value;
    throw coded('ERR_STATISTIC', new TypeError(`it gives ${shown(value)}; give a number`));
  } catch (error) {
    statistic.failed?.(statistic, error);
    return Number.NaN;
  }
}

function refresh(statistics: readonly Statistic[]): void {
  for (const statistic of statistics) {
    const { compute, values, slot } = statistic;
    if (compute !== undefined) values[slot] = computed(statistic, compute);
  }
}

/** The value of a statistic now. */
export function readStatistic(statistic: Statistic): number {
  if (statistic.compute !== undefined) context.run(refresh, [statistic], undefined);
  return statistic.value;
}

/** A result that Rust prints straight from the slots: `{"core:uptime":12,…}`. */
export class StatisticsSelection extends Piecewise<Record<string, number>> {
  constructor(
    readonly statistics: readonly Statistic[],
    readonly table: StatisticsTable,
    readonly slots: Uint32Array,
  ) {
    super();
  }

  /** True if this thread has all of them: what is computed, the first thread computes. */
  get isHere(): boolean {
    return this.statistics.every(({ kind, compute }) => kind !== 'computed' || compute !== undefined);
  }

  /** Reads the computed ones, so that the slots hold what is true now. */
  refresh(): void {
    context.run(refresh, this.statistics, undefined);
  }

  /** The statistics as they are now. */
  print(): Uint8Array {
    this.refresh();
    return this.table.printText(this.slots);
  }

  open(): Cursor {
    return new BytesCursor(this.print());
  }

  /** They are one object, and one line. */
  openLines(): Cursor {
    return new BytesCursor(Buffer.concat([this.print(), Buffer.from('\n')]));
  }

  protected whole(): Record<string, number> {
    this.refresh();
    return Object.fromEntries(this.statistics.map((statistic) => [statistic.fullName, statistic.value]));
  }
}

/** A statistic of another server. */
export interface ForeignStatistic {
  readonly group: string;
  readonly name: string;
  /** True if it is found by its name alone. */
  readonly isBare: boolean;
  /** Its value, or whether it is incremental. */
  readonly value: JsonValue;
}

/** Another server. */
export interface ForeignServer {
  readonly name: string;
  /** Its software, as it tells it; '' before it has. */
  readonly version: string;
  /** The statistics that tell how it does, by what they are, as it told them last. */
  readonly key: ReadonlyMap<string, ForeignStatistic>;
}

/** A number of another server, under the name that it has there. */
export interface ForeignNumber {
  readonly group: string;
  readonly name: string;
  readonly value: number;
  /** Undefined where that server does not tell it. */
  readonly kind: 'counter' | 'gauge' | undefined;
}

/** Another server, and its numbers. */
export interface ForeignNode {
  readonly name: string;
  /** False while it does not answer, or too late; then it has no numbers. */
  readonly isUp: boolean;
  /** The same array until it is asked anew. */
  readonly statistics: readonly ForeignNumber[];
}

/** The statistics of other servers, which are told beside those of this one. */
export interface ForeignStatistics {
  /** These servers, and what is known of them by now. */
  readonly servers: readonly ForeignServer[];
  /** Each server by itself. What waits for one that hangs waits a second in all. */
  nodes(): readonly ForeignNode[] | Promise<readonly ForeignNode[]>;
  values(): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]>;
  /** With `incremental` or `non-incremental` as their values. */
  kinds(): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]>;
}

/**
 * Those that the items of a request name, as {@link Statistics.find} reads items, by full name; of single ones by what
 * `nameOf` gives.
 */
export function findForeign(
  all: readonly ForeignStatistic[],
  items: readonly string[] | undefined,
  nameOf: (statistic: ForeignStatistic, isSingle: boolean) => string,
): Record<string, JsonValue> {
  const keys = new Set(items?.map((item) => item.toLowerCase()));
  const takesAll = items === undefined || keys.has('all');
  const found: Record<string, JsonValue> = {};
  for (const statistic of all) {
    const isSingle = statistic.isBare && keys.has(statistic.name.toLowerCase());
    if (!takesAll && !isSingle && !keys.has(`${statistic.group.toLowerCase()}:`)) continue;
    found[nameOf(statistic, isSingle)] = statistic.value;
  }
  return found;
}

const aKind: Wanted = oneOf(['counter', 'gauge', 'computed']);
const aboutMembers: Members<StatisticAbout> = {
  unit: {
    text: 'a word of small letters and "_", such as "bytes"',
    is: (value) => typeof value === 'string' && unitName.test(value),
  },
  help: aText,
  isTotal: aBoolean,
};

const capacity = 8192;
const statisticGroup = /^[A-Za-z0-9_.-]+$/;
const unitName = /^[a-z][a-z_]*$/;
const statisticName = /^[A-Za-z0-9_.-][A-Za-z0-9_:.-]*$/;

/** A statistic, as another thread is told of it; its slot is its index. */
type SharedStatistic = Pick<Statistic, 'group' | 'name' | 'kind' | 'about'>;

/** The statistics of a server, as a thread can be given them. */
interface SharedStatistics {
  readonly rows: SharedRows;
  readonly all: readonly SharedStatistic[];
}

/**
 * All statistics of a server, by group, in registration order. Names are looked up without regard to case.
 *
 * Threads count in rows of their own, and what is told is the sum. The first thread registers statistics, resets counters
 * and computes; another one has what it was told of, see {@link Statistics.learn}.
 */
export class Statistics {
  readonly #table: StatisticsTable;
  readonly #isFirst: boolean;
  readonly #all: Statistic[] = [];
  readonly #byName = new Map<string, Statistic>();
  readonly #byGroup = new Map<string, Statistic[]>();
  #selectedAll: StatisticsSelection | undefined;
  readonly #log: CodedLog | undefined;
  readonly #told = new Set<Statistic>();

  /**
   * @param log where computed ones that fail are told, each once
   * @param threads that count, with this one
   */
  constructor(log?: CodedLog, threads?: number);
  /** Those of another thread, which counts in its own row from now on. */
  constructor(log: CodedLog | undefined, shared: SharedStatistics, thread: number);
  constructor(log?: CodedLog, given: number | SharedStatistics = 1, thread = 0) {
    this.#log = log;
    this.#isFirst = typeof given === 'number';
    const shared = typeof given === 'number' ? Rows.make(capacity, given) : given.rows;
    this.#table = new StatisticsTable(capacity, new Rows(shared, thread));
    if (typeof given !== 'number') this.learn(given.all);
  }

  /** For the threads that count, too. */
  get shared(): SharedStatistics {
    const all = this.#all.map(({ group, name, kind, about }) => ({ group, name, kind, about }));
    return { rows: this.#table.rows.shared, all };
  }

  /** Takes those that the first thread has by now: all of them, or those that came since. */
  learn(all: readonly SharedStatistic[], first = 0): void {
    for (const { group, name, kind, about } of all.slice(Math.max(0, this.#all.length - first))) {
      this.#register(group, name, kind, undefined, about);
    }
  }

  /** A thread has ended: it has its part of no gauge any more. Its row is for the next one. */
  lost(thread: number): void {
    const row = this.#table.rows.row(thread);
    for (const { kind, slot } of this.#all) if (kind === 'gauge') row[slot] = 0;
  }

  readonly #failed = (statistic: Statistic, error: unknown): void => {
    if (this.#told.has(statistic)) return;
    this.#told.add(statistic);
    const { fullName } = statistic;
    this.#log?.error(
      { code: 'statistic-failed', err: error, statistic: fullName },
      `statistic ${fullName} cannot be computed, which is told once`,
    );
  };

  /** Native memory of what this thread counts, for a hot path that adds to a slot without a method call. */
  get values(): Float64Array {
    return this.#table.values;
  }

  /** The value of each slot, of all threads together, until it is asked for again. Not to be changed. */
  get sums(): Float64Array {
    return this.#table.sums;
  }

  /**
   * @param about what monitoring systems and people are told beside the value
   * @throws Error for a name that is taken or malformed, TypeError for another mistake, RangeError when 8192 statistics exist
   */
  add(group: string, name: string, kind: 'counter' | 'gauge', about?: StatisticAbout): Statistic;
  add(group: string, name: string, kind: 'computed', compute: () => number, about?: StatisticAbout): Statistic;
  add(
    group: string,
    name: string,
    kind: StatisticKind,
    given?: StatisticAbout | (() => number),
    more?: StatisticAbout,
  ): Statistic {
    checkGiven('group of a statistic', group, aText);
    checkGiven('name of a statistic', name, aText);
    checkGiven(`kind of statistic ${group}:${name}`, kind, aKind);
    if (kind === 'computed') checkGiven(`function of statistic ${group}:${name}`, given, aFunction);
    const compute = typeof given === 'function' ? given : undefined;
    const about = (typeof given === 'function' ? more : given) ?? {};
    checkMembers(`statistic ${group}:${name}`, about, aboutMembers);
    const key = name.toLowerCase();
    const remedy = 'give letters, digits, "_", "." and "-"';
    if (!statisticGroup.test(group))
      throw coded('ERR_STATISTIC', new Error(`statistic group "${group}" is no name; ${remedy}`));
    if (!statisticName.test(name)) {
      throw coded('ERR_STATISTIC', new Error(`statistic name "${name}" is none; ${remedy}, and ":" behind the first`));
    }
    const taken = this.#byName.get(key);
    // Another thread registers what the first one has: it gets the slot of that.
    if (!this.#isFirst && taken?.fullName === `${group}:${name}` && taken.kind === kind) return taken;
    if (taken !== undefined) {
      throw coded(
        'ERR_STATISTIC',
        new Error(`statistic ${group}:${name} has the name of ${taken.fullName}; give it another`),
      );
    }
    if (!this.#isFirst) {
      throw coded('ERR_STATISTIC', new Error(`statistic ${group}:${name} is none of the first thread; add it there`));
    }
    return this.#register(group, name, kind, compute, about);
  }

  #register(
    group: string,
    name: string,
    kind: StatisticKind,
    compute: (() => number) | undefined,
    about: StatisticAbout,
  ): Statistic {
    const slot = this.#table.add(`${group}:${name}`);
    const statistic = new Statistic(group, name, kind, slot, this.#table.rows, compute, this.#failed, about);
    this.#all.push(statistic);
    this.#byName.set(name.toLowerCase(), statistic);
    const groupKey = group.toLowerCase();
    const members = this.#byGroup.get(groupKey);
    if (members === undefined) this.#byGroup.set(groupKey, [statistic]);
    else members.push(statistic);
    return statistic;
  }

  /** Every statistic, in registration order. */
  get all(): readonly Statistic[] {
    return this.#all;
  }

  /**
   * The statistics that the items of a request name: `all`, `group:`, or one statistic by its bare name. Unknown items
   * name nothing. A statistic that several items name is there once, since JSON members are unique.
   */
  find(items: readonly string[], options: { readonly all: boolean }): readonly Statistic[] {
    const found = new Set<Statistic>();
    for (const item of new Set(items)) {
      const key = item.toLowerCase();
      if (options.all && key === 'all') for (const statistic of this.#all) found.add(statistic);
      else if (key.length > 1 && key.endsWith(':')) {
        for (const statistic of this.#byGroup.get(key.slice(0, -1)) ?? []) found.add(statistic);
      } else {
        const statistic = this.#byName.get(key);
        if (statistic !== undefined) found.add(statistic);
      }
    }
    return [...found];
  }

  /**
   * Items that find nothing, but would as they may be meant, with what to write: a group without its colon, or a
   * statistic with its group.
   */
  slips(items: readonly string[]): ReadonlyMap<string, string> {
    const slips = new Map<string, string>();
    for (const item of items) {
      const key = item.toLowerCase();
      if (this.#byName.has(key)) continue;
      const [, group = '', name = ''] = /^([^:]*):(.+)$/s.exec(key) ?? [];
      const statistic = this.#byName.get(name);
      if (this.#byGroup.has(key)) slips.set(key, `${key}:`);
      else if (statistic?.group.toLowerCase() === group) slips.set(key, statistic.name);
    }
    return slips;
  }

  /** All of them. Pollers ask for nothing else, so that it is made once. */
  selectAll(): StatisticsSelection {
    if (this.#selectedAll?.slots.length !== this.#all.length) this.#selectedAll = this.select([...this.#all]);
    return this.#selectedAll;
  }

  select(statistics: readonly Statistic[]): StatisticsSelection {
    return new StatisticsSelection(
      statistics,
      this.#table,
      Uint32Array.from(statistics, ({ slot }) => slot),
    );
  }
}
