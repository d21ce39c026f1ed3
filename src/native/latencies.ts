import { coded } from '../base/codes.js';
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

/**
 * How long the calls of each command took, in buckets that grow with the time. They are counted in memory outside of V8's
 * heap by plain stores: a native call would cost more than all else.
 */
export class Latencies {
  readonly #reader = addon.latencyReader();
  readonly #cells: Float64Array;
  readonly #capacity: number;
  #size = 0;
  /** One number, and its bits: the exponent, and behind it the first bits of the fraction, are the bucket. */
  readonly #number = new Float64Array(1);
  readonly #bits = new Uint32Array(this.#number.buffer);
  /** Microseconds at which each bucket ends; the last one has all that is longer, too. */
  readonly ends: Float64Array = this.#reader.ends;

  /** @param capacity commands that can be added */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#cells = new Float64Array(capacity * Size.latencyCells);
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
    this.#reader.quantiles(this.#cells, slot, wanted, out);
    return out;
  }

  /** Begins to count anew. */
  reset(slot: number): void {
    this.#of(slot).fill(0);
  }

  /** Takes down what has been counted until now; to be called once a second. */
  tick(): void {
    this.#reader.tick(this.#cells.subarray(0, this.#size * Size.latencyCells));
  }

  /** A quantile of all calls of so many last seconds, 10 at most, in microseconds; NaN without any. */
  recent(seconds: number, quantile: number): number {
    return this.#reader.recent(seconds, quantile);
  }

  #of(slot: number): Float64Array {
    if (slot < 0 || slot >= this.#size)
      throw coded('ERR_ARGUMENT', new RangeError(`slot ${slot} of latencies is none of ${this.#size}`));
    return this.#cells.subarray(slot * Size.latencyCells, (slot + 1) * Size.latencyCells);
  }
}

/** The first bucket, by the bits of its times: two bits of the fraction behind an exponent of -2. */
const firstPlace = (1023 - 2) << 2;
