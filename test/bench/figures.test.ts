// Medians, spreads and percentiles of the benchmark.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { figureOf, percentile } from '../../bench/figures.js';
import { holds } from '../support/property.js';

describe('figures', () => {
  test('the median is the middle value, or lies between the two in the middle', () => {
    expect(figureOf([3, 1, 2])).toStrictEqual({ median: 2, min: 1, max: 3, count: 3 });
    expect(figureOf([10, 1, 2, 4])).toStrictEqual({ median: 3, min: 1, max: 10, count: 4 });
    expect(figureOf([7])).toStrictEqual({ median: 7, min: 7, max: 7, count: 1 });
    // By size, not as texts.
    expect(figureOf([9, 10, 100]).median).toBe(10);
  });

  test('without values there is no figure, and no percentile', () => {
    expect(() => figureOf([])).toThrow(RangeError);
    expect(() => percentile([], 0.5)).toThrow(RangeError);
    expect(() => percentile([1], 1.5)).toThrow(RangeError);
    expect(() => percentile([1], Number.NaN)).toThrow(RangeError);
  });

  test('a percentile is the value that at least this share does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 1)).toBe(100);
    expect(percentile(hundred, 0)).toBe(1);
    expect(percentile([1, 2, 1000], 0.99)).toBe(1000);
  });

  test('whatever the values, order and rank hold', () => {
    holds(
      fc.property(
        fc.array(fc.double({ min: 0, noDefaultInfinity: true, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const { median, min, max } = figureOf(values);
          expect(min <= median && median <= max).toBe(true);
          const sorted = Float64Array.from(values).sort();
          const found = percentile(sorted, share);
          expect(sorted.filter((value) => value <= found).length).toBeGreaterThanOrEqual(sorted.length * share);
        },
      ),
    );
  });
});
