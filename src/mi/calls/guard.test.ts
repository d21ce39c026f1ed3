import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { inThreads } from '../../../test/support/threads.js';
import { RateLimit } from './guard.js';

test('threads together give no call more, and no call less, than one alone', async () => {
  const rate = 1000;
  const parties = 20;
  const limit = new RateLimit(rate, () => 0);
  const given = await inThreads<readonly number[]>(
    4,
    `import { RateLimit } from '#src/mi/calls/guard.js';`,
    `({ memory, rate, parties }) => {
      const limit = new RateLimit(rate, () => 0, memory);
      return Array.from({ length: parties }, (_, party) => {
        let given = 0;
        for (let tries = 0; tries < rate; tries++) if (limit.take(String(party)) === 0) given += 1;
        return given;
      });
    }`,
    { memory: limit.memory, rate, parties },
  );
  for (let party = 0; party < parties; party++) {
    expect(given.reduce((sum, one) => sum + (one[party] ?? 0), 0)).toBe(rate);
    expect(limit.take(String(party))).toBe(1);
  }
});

test('whichever threads calls come to, they wait as long as in one', () => {
  const step = fc.record({ thread: fc.nat(2), party: fc.constantFrom('a', 'b', 'c'), later: fc.nat(700) });
  holds(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 80 }), (rate, steps) => {
      let now = 0;
      const alone = new RateLimit(rate, () => now);
      const { memory } = new RateLimit(rate);
      const limits = [0, 1, 2].map(() => new RateLimit(rate, () => now, memory));
      const model = new Map<string, { tokens: number; at: number }>();
      for (const { thread, party, later } of steps) {
        now += later;
        const { tokens, at } = model.get(party) ?? { tokens: rate, at: now };
        const left = Math.min(rate, tokens + ((now - at) / 1000) * rate);
        const wait = left < 1 ? Math.ceil((1 - left) / rate) : 0;
        model.set(party, { tokens: wait > 0 ? left : left - 1, at: now });
        expect([limits[thread]?.take(party), alone.take(party)]).toStrictEqual([wait, wait]);
      }
      expect(limits[0]?.size).toBe(model.size);
    }),
  );
});

test('a clock that is behind that of another thread gives no call twice', () => {
  const times = [10_000, 0];
  const first = new RateLimit(2, () => times[0] ?? 0);
  const behind = new RateLimit(2, () => times[1] ?? 0, first.memory);
  expect([first.take('a'), behind.take('a'), first.take('a'), behind.take('a')]).toStrictEqual([0, 0, 1, 1]);
});
