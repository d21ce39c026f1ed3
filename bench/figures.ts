// Figures that are made of many measurements: medians, spreads, percentiles.

/** The middle of repeated measurements, and how far they went apart. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many measurements it is made of. */
  readonly count: number;
}

/**
 * @param values finite
 * @throws RangeError without values
 */
export function figureOf(values: readonly number[]): Figure {
  const sorted = Float64Array.from(values).sort();
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new RangeError('no values to make a figure of; give one or more');
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? max;
  const lower = sorted[middle - 1] ?? upper;
  return { median: sorted.length % 2 === 1 ? upper : lower + (upper - lower) / 2, min, max, count: sorted.length };
}

/** Half of the distance between lowest and highest, as a share of the median; 0 where the median is 0. */
export function spreadOf({ median, min, max }: Figure): number {
  return median === 0 ? 0 : (max - min) / 2 / Math.abs(median);
}

/**
 * The smallest value that at least `share` of the values do not exceed (nearest rank).
 *
 * @param sorted in rising order
 * @param share 0 to 1; 1 is the largest
 * @throws RangeError without values, or for another share
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined || !(share >= 0 && share <= 1)) {
    throw new RangeError(`no percentile ${share} of ${sorted.length} values; give values and a share from 0 to 1`);
  }
  return value;
}
