import { expect, test } from 'vitest';
import { inThreads } from '../../test/support/threads.js';
import { Rows } from './rows.js';

test('threads lose no count, and a sum that is set is counted on from there', async () => {
  const threads = 4;
  const each = 300_000;
  const shared = Rows.make(8, threads + 1);
  const home = new Rows(shared);
  const count = () =>
    inThreads<number>(
      threads,
      `import { Rows } from '#src/base/rows.js';`,
      `({ shared, each }, thread) => {
        const { own } = new Rows(shared, thread);
        for (let counted = 0; counted < each; counted++) own[3] += thread;
        return own[3];
      }`,
      { shared, each },
    );
  await count();
  expect(home.sum(3)).toBe(10 * each);
  home.set(3, 5);
  expect(home.sum(3)).toBe(5);
  await count();
  const sums = new Float64Array(8);
  home.sums(0, 8, sums);
  expect([...sums]).toStrictEqual([0, 0, 0, 10 * each + 5, 0, 0, 0, 0]);
});

test('what one thread counts alone is set as it is', () => {
  const rows = new Rows(Rows.make(2));
  expect(rows.others).toStrictEqual([]);
  for (const value of [0.1, Number.NaN, Infinity, -0]) {
    rows.own[1] = value;
    expect(rows.sum(1)).toBe(value);
    rows.set(1, 0);
    expect(rows.sum(1)).toBe(0);
  }
});
