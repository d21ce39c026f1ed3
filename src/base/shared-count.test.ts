import { expect, test } from 'vitest';
import { inThreads } from '../../test/support/threads.js';
import { SharedCount } from './shared-count.js';

test('threads together never have more than they may, and lose none', async () => {
  const threads = 4;
  const most = 3;
  const memory = SharedCount.make(threads + 1);
  const inside = new Int32Array(new SharedArrayBuffer(4));
  const seen = await inThreads<{ taken: number; largest: number }>(
    threads,
    `import { SharedCount } from '#src/base/shared-count.js';`,
    `({ memory, inside, most }, thread) => {
      const count = new SharedCount(memory, thread);
      let taken = 0;
      let largest = 0;
      for (let tries = 0; tries < 200_000; tries++) {
        if (!count.take(most)) continue;
        taken += 1;
        largest = Math.max(largest, Atomics.add(inside, 0, 1) + 1);
        Atomics.sub(inside, 0, 1);
        count.remove();
      }
      return { taken, largest };
    }`,
    { memory, inside, most },
  );
  expect(Math.max(...seen.map(({ largest }) => largest))).toBeLessThanOrEqual(most);
  expect(Math.max(...seen.map(({ taken }) => taken))).toBeGreaterThan(0);
  expect(new SharedCount(memory).total).toBe(0);
});

test('what a thread had is given back when it is lost', () => {
  const memory = SharedCount.make(3);
  const [home, one, other] = [0, 1, 2].map((thread) => new SharedCount(memory, thread));
  for (let had = 0; had < 3; had++) one?.add();
  expect([home?.take(4), other?.take(4), other?.add()]).toStrictEqual([true, false, 5]);
  home?.lost(1);
  expect([home?.total, home?.own, one?.own, other?.own]).toStrictEqual([2, 1, 0, 1]);
  expect([one?.take(4), one?.take(4), one?.take(4)]).toStrictEqual([true, true, false]);
});
