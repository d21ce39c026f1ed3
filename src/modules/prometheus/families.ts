import type { Labels } from './label-rules.js';

/** `plain`: as OpenSIPS has it; `text`: the text format of Prometheus, 0.0.4; `openmetrics`: OpenMetrics, 1.0. */
export type Form = 'plain' | 'text' | 'openmetrics';

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'unknown';

/** Series of one name. */
export interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** Told where the name ends with it, which OpenMetrics asks for. */
  readonly unit: string | undefined;
  /** True if this server has a series of it: those of others never take its name. */
  readonly isOwn: boolean;
  readonly series: Series[];
}

/** A number under a name. */
interface Series {
  /** What stands behind the name of the family: `_bucket`, `_sum` or `_count` of a histogram, '' else. */
  readonly suffix: string;
  readonly labels: Labels;
  /** Where the number lies. */
  readonly slot: number;
}

/** A metric as it is added. */
export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  readonly help?: string | undefined;
  readonly unit?: string | undefined;
  /** True if it is one of another server. */
  readonly isForeign?: boolean;
}

/** All families of a page, with each series once. */
export class Families {
  readonly #families = new Map<string, Family>();
  readonly #known = new Set<string>();
  /** By name; one that is not told counts for none. */
  readonly #types = new Map<string, Set<MetricType>>();
  /** Names that histograms of this server have, whether there is a series yet or not. */
  readonly #reserved = new Set<string>();

  /** Keeps the names of a histogram from all that is added behind. */
  reserve(histogram: string): void {
    for (const suffix of suffixes.histogram) this.#reserved.add(histogram + suffix);
  }

  /** @returns false for a series that is there already: names that differ may have become the same */
  add(metric: Metric, labels: Labels, slot: number, suffix = ''): boolean {
    const { name, type, help = '', unit } = metric;
    const key = `${name}${suffix}${labelText(labels)}`;
    const before = this.#families.get(name);
    const isOtherKind = before !== undefined && (before.type === 'histogram') !== (type === 'histogram');
    const isReserved = type !== 'histogram' && this.#reserved.has(name);
    if (isOtherKind || isReserved || this.#known.has(key)) return false;
    this.#known.add(key);
    const family = before ?? {
      name,
      type,
      help,
      unit,
      isOwn: metric.isForeign !== true,
      series: [],
    };
    this.#families.set(name, family);
    const types = this.#types.get(name) ?? new Set();
    this.#types.set(name, types);
    if (type !== 'unknown') types.add(type);
    family.series.push({ suffix, labels, slot });
    return true;
  }

  /** A family whose series are of several types has none that could be told. */
  get all(): readonly Family[] {
    return [...this.#families.values()].map((family) => {
      const [type = 'unknown', ...others] = this.#types.get(family.name) ?? [];
      return { ...family, type: others.length === 0 ? type : 'unknown' };
    });
  }
}

/** A text with gaps, and the slot of the number that stands in each. */
export interface Template {
  readonly text: Uint8Array;
  /** Where each piece in front of a number ends. */
  readonly ends: Uint32Array;
  readonly slots: Uint32Array;
}

/** Prints families, with gaps for their numbers. */
export function templateOf(families: readonly Family[], form: Form): Template {
  const pieces: string[] = [];
  const slots: number[] = [];
  const names = form === 'openmetrics' ? openMetricsNames(families) : undefined;
  let text = '';
  for (const family of families) {
    const named = names === undefined ? textName(family, form) : names.get(family);
    if (named === undefined) continue;
    if (form !== 'plain' && family.help !== '') text += `# HELP ${named.family} ${helpText(family.help, form)}\n`;
    text += `# TYPE ${named.family} ${named.type}\n`;
    if (form === 'openmetrics' && family.unit !== undefined && named.family.endsWith(`_${family.unit}`))
      text += `# UNIT ${named.family} ${family.unit}\n`;
    for (const { suffix, labels, slot } of family.series) {
      pieces.push(`${text}${named.sample}${suffix}${labelText(labels)} `);
      slots.push(slot);
      text = '\n';
    }
  }
  // OpenSIPS ends its page with an empty line.
  pieces.push(text + (form === 'openmetrics' ? '# EOF\n' : form === 'plain' ? '\n' : ''));
  const bytes = pieces.map((piece) => Buffer.from(piece));
  const ends = new Uint32Array(slots.length);
  let end = 0;
  for (const [index, piece] of bytes.entries()) {
    end += piece.length;
    if (index < ends.length) ends[index] = end;
  }
  return { text: Buffer.concat(bytes), ends, slots: Uint32Array.from(slots) };
}

/** The names of a family in one form. */
interface Named {
  readonly family: string;
  readonly sample: string;
  readonly type: string;
}

function textName({ name, type }: Family, form: Form): Named {
  return { family: name, sample: name, type: type === 'unknown' && form !== 'openmetrics' ? 'untyped' : type };
}

const total = '_total';

/** Names that the samples of a family may have, which no other family may use. */
const suffixes: Readonly<Record<MetricType, readonly string[]>> = {
  counter: ['', total, '_created'],
  gauge: [''],
  histogram: ['', '_bucket', '_count', '_sum', '_created'],
  unknown: [''],
};

/**
 * OpenMetrics has the names of counters end with `_total`, which their family has not. Where the family would have the name
 * of another one, as `connections_total` beside `connections`, the name stays, and its type is not told. One for which there
 * is no name is left out.
 */
function openMetricsNames(families: readonly Family[]): ReadonlyMap<Family, Named> {
  const taken = new Set<string>();
  const claim = (name: string, type: MetricType): boolean => {
    const names = suffixes[type].map((suffix) => name + suffix);
    if (names.some((one) => taken.has(one))) return false;
    for (const one of names) taken.add(one);
    return true;
  };
  const named = new Map<Family, Named>();
  const nameAll = (some: readonly Family[]): void => {
    for (const family of some) {
      const { name, type } = family;
      if (type !== 'counter' && claim(name, type)) named.set(family, { family: name, sample: name, type });
    }
    for (const family of some) {
      const { name, type } = family;
      if (type !== 'counter') continue;
      const base = name.endsWith(total) ? name.slice(0, -total.length) : name;
      if (claim(base, 'counter')) named.set(family, { family: base, sample: base + total, type: 'counter' });
      else if (claim(name, 'unknown')) named.set(family, { family: name, sample: name, type: 'unknown' });
    }
  };
  // What another server tells, which may be anything, changes no name of this one.
  nameAll(families.filter(({ isOwn }) => isOwn));
  nameAll(families.filter(({ isOwn }) => !isOwn));
  return named;
}

function helpText(help: string, form: Form): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return form === 'openmetrics' ? escaped.replaceAll('"', '\\"') : escaped;
}

function labelText(labels: Labels): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([name, value]) => `${name}="${valueText(value)}"`).join(',')}}`;
}

function valueText(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
