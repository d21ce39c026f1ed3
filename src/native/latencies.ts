import { coded } from '../base/codes.js';
import { Rows, type SharedRows } from '../base/rows.js';
import { addon } from './addon.js';
import { LatencyCell, Size } from './layout.js';

/** The latencies of one command as they are now, for those that count them further. */
export interface LatencyCounts {
  /** Calls by how long they took: those up to each of {@link Latencies.ends}, and not up to the one before it. */
  readonly buckets: Float64Array;
  /** Microseconds of all calls together. */
  readonly sum: number;
  /** Microseconds of the longest call. */
  readonly longest: number;
  /** Calls that failed; they are in the buckets, too. */
  readonly failed: number;
}

/** The latencies of a server, as a thread can be given them. */
export interface SharedLatencies {
  readonly rows: SharedRows;
  readonly size: number;
}

/**
 * How long the calls of each command took, in buckets that grow with the time. They are counted in memory outside of V8's
 * heap by plain stores: a native call would cost more than all else. Each thread counts in a row of its own; what is read
 * is of all threads. The first one adds commands and resets them.
 */
export class Latencies {
  readonly #reader = addon.latencyReader();
  readonly #rows: Rows;
  readonly #cells: Float64Array;
  /** Slots that this thread may give away. */
  readonly #capacity: number;
  #size: number;
  /** One number, and its bits: the exponent, and behind it the first bits of the fraction, are the bucket. */
  readonly #number = new Float64Array(1);
  readonly #bits = new Uint32Array(this.#number.buffer);
  /** Microseconds at which each bucket ends; the last one has all that is longer, too. */
  readonly ends: Float64Array = this.#reader.ends;

  /**
   * @param capacity commands that can be added
   * @param threads that count, with this one
   */
  constructor(capacity: number, threads?: number);
  /** Those of another thread. */
  constructor(capacity: number, shared: SharedLatencies, thread: number);
  constructor(capacity: number, given: number | SharedLatencies = 1, thread = 0) {
    const isFirst = typeof given === 'number';
    this.#capacity = isFirst ? capacity : 0;
    this.#rows = new Rows(isFirst ? Rows.make(capacity * Size.latencyCells, given) : given.rows, thread);
    this.#cells = this.#rows.own;
    this.#size = isFirst ? 0 : given.size;
  }

  /** For the threads that count, too. */
  get shared(): SharedLatencies {
    return { rows: this.#rows.shared, size: this.#size };
  }

  /** Slots that are used. */
  get size(): number {
    return this.#size;
  }

  /** @returns the slot of another command; undefined when there is none left */
  add(): number | undefined {
    if (this.#size >= this.#capacity) return undefined;
    this.#size += 1;
    return this.#size - 1;
  }

  /**
   * Counts a call.
   *
   * @param weight calls that it stands for
   */
  count(slot: number, microseconds: number, weight: number): void {
    this.#number[0] = microseconds;
    const place = ((this.#bits[1] ?? 0) >>> 18) - firstPlace;
    const bucket = place < 0 ? 0 : place < Size.latencyBuckets ? place : Size.latencyBuckets - 1;
    const start = slot * Size.latencyCells;
    const cells = this.#cells;
    cells[start + bucket] = (cells[start + bucket] ?? 0) + weight;
    cells[start + LatencyCell.sum] = (cells[start + LatencyCell.sum] ?? 0) + microseconds * weight;
    if (microseconds > (cells[start + LatencyCell.longest] ?? 0)) cells[start + LatencyCell.longest] = microseconds;
  }

  /** Counts the failure of a call, which {@link count} counts as well. */
  fail(slot: number): void {
    const place = slot * Size.latencyCells + LatencyCell.failed;
    this.#cells[place] = (this.#cells[place] ?? 0) + 1;
  }

  /** @throws RangeError for a slot that was not added */
  read(slot: number): LatencyCounts {
    const cells = this.#of(slot);
    return {
      buckets: cells.subarray(0, Size.latencyBuckets),
      sum: cells[LatencyCell.sum] ?? 0,
      longest: cells[LatencyCell.longest] ?? 0,
      failed: cells[LatencyCell.failed] ?? 0,
    };
  }

  /** Quantiles of the calls of a command, in microseconds; NaN without calls. */
  quantiles(slot: number, wanted: Float64Array): Float64Array {
    const out = new Float64Array(wanted.length);
    if (this.#isAlone) this.#reader.quantiles(this.#cells, slot, wanted, out);
    else this.#reader.quantiles(this.#of(slot), 0, wanted, out);
    return out;
  }

  /** Begins to count anew. */
  reset(slot: number): void {
    this.#check(slot);
    const start = slot * Size.latencyCells;
    for (let at = start; at < start + Size.latencyCells; at++) this.#rows.set(at, 0);
    // The longest of all is no sum.
    for (const row of this.#rows.others) row[start + LatencyCell.longest] = 0;
  }

  /** Takes down what has been counted until now; to be called once a second. */
  tick(): void {
    const length = this.#size * Size.latencyCells;
    if (this.#isAlone) {
      this.#reader.tick(this.#cells.subarray(0, length));
      return;
    }
    const all = new Float64Array(length);
    this.#rows.sums(0, length, all);
    this.#reader.tick(all);
  }

  /** A quantile of all calls of so many last seconds, 10 at most, in microseconds; NaN without any. */
  recent(seconds: number, quantile: number): number {
    return this.#reader.recent(seconds, quantile);
  }

  get #isAlone(): boolean {
    return this.#rows.others.length === 0;
  }

  /** The numbers of a command, of all threads. */
  #of(slot: number): Float64Array {
    this.#check(slot);
    const start = slot * Size.latencyCells;
    if (this.#isAlone) return this.#cells.subarray(start, start + Size.latencyCells);
    const cells = new Float64Array(Size.latencyCells);
    this.#rows.sums(start, Size.latencyCells, cells);
    const place = start + LatencyCell.longest;
    cells[LatencyCell.longest] = Math.max(this.#cells[place] ?? 0, ...this.#rows.others.map((row) => row[place] ?? 0));
    return cells;
  }

  #check(slot: number): void {
    if (slot < 0 || slot >= this.#size)
      throw coded('ERR_ARGUMENT', new RangeError(`slot ${slot} of latencies is none of ${this.#size}`));
  }
}

/** The first bucket, by the bits of its times: two bits of the fraction behind an exponent of -2. */
const firstPlace = (1023 - 2) << 2;
