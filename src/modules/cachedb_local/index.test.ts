import fc from 'fast-check';
import { assert, describe, expect, test, vi } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { cacheUrlProblem, parseCacheUrl } from './index.js';
import { CacheRoom, entryOverhead, LocalCache } from './local-cache.js';

const operations = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('store' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      value: fc.string({ minLength: 1, maxLength: 40 }),
      expire: fc.constantFrom(0, 1, 5),
    }),
    fc.record({ do: fc.constantFrom('remove' as const, 'fetch' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ do: fc.constant('clean' as const) }),
  ),
  { maxLength: 60 },
);

describe('a local cache', () => {
  test('has what a map with times has, within its limits, and counts exactly', async () => {
    let now = 1_000_000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    await holds(
      fc.asyncProperty(operations, async (steps) => {
        const room = new CacheRoom({ maxEntries: 3, maxBytes: 500 });
        const cache = new LocalCache(room);
        const model = new Map<string, { value: string; until: number }>();
        for (const step of steps) {
          if (step.do === 'store') {
            try {
              cache.store(step.key, step.value, step.expire);
              const until = step.expire === 0 ? Infinity : now + step.expire * 1000;
              model.set(step.key, { value: step.value, until });
            } catch (error) {
              assert(error instanceof RangeError);
            }
          } else if (step.do === 'remove') {
            cache.remove(step.key);
            model.delete(step.key);
          } else if (step.do === 'fetch') {
            const expected = model.get(step.key);
            expect(cache.fetch(step.key)).toBe(expected && expected.until > now ? expected.value : undefined);
          } else if (step.do === 'wait') {
            now += step.seconds * 1000;
          } else {
            await cache.clean(new AbortController().signal);
            for (const [key, { until }] of model) if (until <= now) model.delete(key);
            const bytes = [...model].reduce((sum, [key, { value }]) => {
              return sum + 2 * (key.length + value.length) + entryOverhead;
            }, 0);
            expect([room.entries, room.bytes]).toStrictEqual([model.size, bytes]);
          }
          expect(room.entries <= 3 && room.bytes <= 500).toBe(true);
        }
      }),
    );
  });

  test('URLs name a system and a collection', () => {
    const read: readonly (readonly [string, string, string])[] = [
      ['local://', 'local', 'default'],
      ['local:///', 'local', 'default'],
      ['local:///creds', 'local', 'creds'],
      ['local:grp:///creds', 'local:grp', 'creds'],
      ['local:grp://', 'local:grp', 'default'],
    ];
    for (const [url, system, collection] of read) expect(parseCacheUrl(url)).toStrictEqual({ system, collection });
    for (const url of ['', 'local', 'local:', 'local:/', 'redis://h/', 'local:a b:///c', 'local:///a/b']) {
      expect(cacheUrlProblem(url) ?? '', url).toMatch(/give local/);
    }
  });
});
