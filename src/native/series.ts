import { addon } from './addon.js';

/** Steps and lengths of the rings of some series. */
export interface SeriesShape {
  /** Seconds of a step of the fine ring. */
  readonly step: number;
  /** Steps that it holds. */
  readonly fine: number;
  /** Steps of it that one of the coarse ring is. */
  readonly factor: number;
  /** Steps that the coarse ring holds. */
  readonly coarse: number;
}

/** Values over time, in native memory: a ring of short steps for a while, and one of long steps for long. */
export class SeriesTable {
  readonly #native;
  /** Bytes that one series takes at most. */
  readonly seriesBytes: number;
  /** The newest step that has a value. */
  #newest = 0;

  constructor(readonly shape: SeriesShape) {
    this.#native = addon.series(shape.fine, shape.factor, shape.coarse);
    this.seriesBytes = this.#native.seriesBytes;
  }

  /**
   * @param isMean true if a long step has the mean of its values, false if it has the last one
   * @returns the number of the series
   */
  add(isMean: boolean): number {
    return this.#native.add(isMean);
  }

  /** Sets the values of all series in a step. */
  putAll(step: number, values: Float64Array): void {
    this.#newest = Math.max(this.#newest, step);
    this.#native.putAll(step, values);
  }

  /** Sets the value of one series in a step. */
  put(index: number, step: number, value: number): void {
    this.#newest = Math.max(this.#newest, step);
    this.#native.put(index, step, value);
  }

  /** Reads a series from a step on; NaN where there is no value. */
  read(index: number, isCoarse: boolean, from: number, out: Float64Array): void {
    this.#native.read(index, isCoarse, from, out);
  }

  /** True if the coarse ring is the one to read. @param resolution seconds of a step; undefined: whatever reaches back far enough */
  isCoarse(range: number, resolution: number | undefined): boolean {
    const { step, fine, factor } = this.shape;
    return resolution === undefined ? range > step * fine : resolution >= step * factor;
  }

  /** The steps of the last seconds, as far as they are kept, and the seconds of each. */
  span(
    now: number,
    range: number,
    isCoarse: boolean,
  ): { readonly first: number; readonly count: number; readonly step: number } {
    const { step: fineStep, factor, fine, coarse } = this.shape;
    // The step that is under way may have no value yet.
    const newestFine = Math.max(this.#newest, Math.floor(now / fineStep) - 1);
    const step = isCoarse ? fineStep * factor : fineStep;
    const newest = isCoarse ? Math.floor(newestFine / factor) : newestFine;
    const count = Math.max(1, Math.min(Math.ceil(range / step), isCoarse ? coarse : fine));
    return { first: newest - count + 1, count, step };
  }
}

/** One series of a table. */
export interface OneSeries {
  readonly table: SeriesTable;
  readonly index: number;
}
