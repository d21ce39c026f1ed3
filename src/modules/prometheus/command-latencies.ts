import type { CommandCounts, ManagementInterface } from '../../mi/management-interface.js';
import type { Families } from './families.js';
import type { Labels } from './label-rules.js';

/** Buckets of which one bound is told, two octaves: 16 µs, 64 µs, and so on to a minute. */
const eachBound = 8;
const leastBound = 16;
const mostBounds = 12;

/** A command that was called. */
export interface Called {
  readonly slot: number;
  readonly labels: Labels;
}

/** The latencies of commands as histograms of Prometheus: in seconds, each bucket with those below it. */
export class CommandLatencies {
  readonly #mi: ManagementInterface;
  /** Indexes of the buckets whose ends are told. */
  readonly #bounds: readonly number[];
  #waiting: (readonly [fullName: string, counts: CommandCounts])[] = [];
  /** Commands that were counted when {@link #waiting} was filled. */
  #size = 0;
  readonly #seen = new Set<number>();
  #called: readonly Called[] = [];

  constructor(mi: ManagementInterface) {
    this.#mi = mi;
    const bounds: number[] = [];
    for (const [index, end] of mi.latencies.ends.entries()) {
      if ((index + 1) % eachBound === 0 && end >= leastBound && bounds.length < mostBounds) bounds.push(index);
    }
    this.#bounds = bounds;
  }

  /** The commands that were called; the same array until one more is. */
  get called(): readonly Called[] {
    const { latencies } = this.#mi;
    if (latencies.size !== this.#size) {
      this.#size = latencies.size;
      this.#waiting = this.#mi.timedCommands.filter(([, { slot }]) => !this.#seen.has(slot));
    }
    const isCalled = ({ calls }: CommandCounts): boolean => calls === undefined || calls.value > 0;
    if (!this.#waiting.some(([, counts]) => isCalled(counts))) return this.#called;
    const called = this.#waiting.filter(([, counts]) => isCalled(counts));
    this.#waiting = this.#waiting.filter(([, counts]) => !isCalled(counts));
    for (const [, { slot }] of called) this.#seen.add(slot);
    this.#called = [...this.#called, ...called.map(([fullName, { slot }]) => ({ slot, labels: labelsOf(fullName) }))];
    return this.#called;
  }

  /** Numbers that each command has. */
  get numbers(): number {
    return this.#bounds.length + 3;
  }

  /** Adds the series of one command; its numbers lie from `place` on. */
  add(families: Families, name: string, { labels }: Called, place: number): void {
    const metric = {
      name,
      type: 'histogram',
      unit: 'seconds',
      help: 'Time that the calls of one command took.',
    } as const;
    const { ends } = this.#mi.latencies;
    let at = place;
    for (const bound of this.#bounds) {
      families.add(metric, [...labels, ['le', String((ends[bound] ?? 0) / 1e6)]], at++, '_bucket');
    }
    families.add(metric, [...labels, ['le', '+Inf']], at++, '_bucket');
    families.add(metric, labels, at++, '_sum');
    families.add(metric, labels, at, '_count');
  }

  /** Writes the numbers of one command from `place` on. */
  write({ slot }: Called, values: Float64Array, place: number): void {
    const { buckets, sum } = this.#mi.latencies.read(slot);
    let count = 0;
    let bucket = 0;
    let at = place;
    for (const bound of this.#bounds) {
      for (; bucket <= bound; bucket++) count += buckets[bucket] ?? 0;
      values[at++] = count;
    }
    for (; bucket < buckets.length; bucket++) count += buckets[bucket] ?? 0;
    values[at++] = count;
    values[at++] = sum / 1e6;
    values[at] = count;
  }
}

/** A command of an OpenSIPS is called `node:NAME/COMMAND`. */
function labelsOf(fullName: string): Labels {
  const slash = fullName.indexOf('/');
  if (!fullName.startsWith('node:') || slash === -1) return [['command', fullName]];
  return [
    ['command', fullName.slice(slash + 1)],
    ['node', fullName.slice('node:'.length, slash)],
  ];
}
