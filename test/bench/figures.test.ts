// Medians, spreads and percentiles of the benchmark.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { figureOf, percentile } from '../../bench/figures.js';
import { holds } from '../support/property.js';

describe('figures', () => {
  test('the median is the middle value, or lies between the two in the middle', () => {
    assert.deepEqual(figureOf([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
    assert.deepEqual(figureOf([10, 1, 2, 4]), { median: 3, min: 1, max: 10, count: 4 });
    assert.deepEqual(figureOf([7]), { median: 7, min: 7, max: 7, count: 1 });
    // By size, not as texts.
    assert.equal(figureOf([9, 10, 100]).median, 10);
  });

  test('without values there is no figure, and no percentile', () => {
    assert.throws(() => figureOf([]), RangeError);
    assert.throws(() => percentile([], 0.5), RangeError);
    assert.throws(() => percentile([1], 1.5), RangeError);
    assert.throws(() => percentile([1], Number.NaN), RangeError);
  });

  test('a percentile is the value that at least this share does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.equal(percentile(hundred, 0.5), 50);
    assert.equal(percentile(hundred, 0.99), 99);
    assert.equal(percentile(hundred, 1), 100);
    assert.equal(percentile(hundred, 0), 1);
    assert.equal(percentile([1, 2, 1000], 0.99), 1000);
  });

  test('whatever the values, order and rank hold', () => {
    holds(
      fc.property(
        fc.array(fc.double({ min: 0, noDefaultInfinity: true, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const { median, min, max } = figureOf(values);
          assert.ok(min <= median && median <= max);
          const sorted = Float64Array.from(values).sort();
          const found = percentile(sorted, share);
          assert.ok(sorted.filter((value) => value <= found).length >= sorted.length * share);
        },
      ),
    );
  });
});
