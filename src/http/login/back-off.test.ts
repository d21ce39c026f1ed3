import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { inThreads } from '../../../test/support/threads.js';
import { type Attempt, BackOff, type Outcome } from './back-off.js';

test('threads together have as few guesses as one', async () => {
  const home = new BackOff(() => 0);
  const begun = await inThreads<number>(
    4,
    `import { BackOff } from '#src/http/login/back-off.js';`,
    `({ memory }) => {
      const backOff = new BackOff(() => 0, memory);
      const attempts = Array.from({ length: 500 }, (_, guess) => backOff.begin('192.0.2.1', 'n' + (guess % 3)));
      const begun = attempts.filter((attempt) => typeof attempt === 'object');
      for (const attempt of begun) attempt.ended('failed');
      return begun.length;
    }`,
    { memory: home.memory },
  );
  expect(begun.reduce((sum, one) => sum + one, 0)).toBe(5);
  expect(home.begin('192.0.2.1', 'n0')).toBeGreaterThan(0);
  expect(home.size).toBe(1);
});

test('whichever threads logins come to, they wait as long as in one', () => {
  const step = fc.record({
    thread: fc.nat(2),
    network: fc.constantFrom('a', 'b'),
    name: fc.nat(40).map((index) => `n${index < 20 ? index % 3 : index}`),
    later: fc.oneof(fc.constant(0), fc.nat(2000), fc.constant(70_000)),
    outcome: fc.constantFrom<Outcome | 'later'>('failed', 'failed', 'failed', 'succeeded', 'refused', 'later'),
  });
  holds(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      let now = 0;
      const alone = new BackOff(() => now);
      const { memory } = new BackOff();
      const threads = [0, 1, 2].map(() => new BackOff(() => now, memory));
      const running: (readonly [Attempt, Attempt])[] = [];
      for (const { thread, network, name, later, outcome } of steps) {
        now += later;
        const backOff = threads[thread] ?? alone;
        expect(backOff.wait(network, name)).toBe(alone.wait(network, name));
        const [one, other] = [backOff.begin(network, name), alone.begin(network, name)];
        if (typeof one === 'number' || typeof other === 'number') {
          expect(one).toBe(other);
        } else {
          expect(one.standing).toBe(other.standing);
          running.push([one, other]);
        }
        if (outcome === 'later') continue;
        for (const ended of running.splice(0)) for (const attempt of ended) attempt.ended(outcome);
        expect(threads[0]?.size).toBe(alone.size);
      }
    }),
  );
});

test('logins of a thread that is lost keep nobody out', () => {
  const home = new BackOff(() => 0);
  const face = new BackOff(() => 0, home.memory);
  const attempts = Array.from({ length: 5 }, () => face.begin('a', 'x'));
  expect(home.begin('a', 'x')).toBe(1);
  home.lost();
  const attempt = home.begin('a', 'y');
  expect(typeof attempt).toBe('object');
  // Those of other threads end after all.
  for (const one of [...attempts, attempt]) if (typeof one === 'object') one.ended('failed');
  expect(home.begin('a', 'y')).toBeGreaterThan(0);
});
