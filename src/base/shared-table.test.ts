import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../test/support/property.js';
import { inThreads } from '../../test/support/threads.js';
import { Recent } from './recent.js';
import { SharedTable } from './shared-table.js';

test('it is as a map of one thread that forgets the oldest, whichever thread sets', () => {
  const step = fc.record({
    thread: fc.nat(2),
    key: fc.integer({ min: 0, max: 12 }).map(String),
    does: fc.constantFrom('set', 'set', 'set', 'delete', 'find', 'clear'),
    value: fc.nat(100),
  });
  holds(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const memory = SharedTable.make(capacity, 2);
      const tables = [0, 1, 2].map(() => new SharedTable(memory));
      let model = new Recent<number>(capacity);
      for (const { thread, key: text, does, value } of steps) {
        const table = tables[thread] ?? new SharedTable(memory);
        const key = table.keyOf(text);
        table.lock();
        const found = table.find(key);
        expect(found >= 0).toBe(model.has(text));
        if (found >= 0) expect(table.cells[table.startOf(found) + 1]).toBe(model.get(text));
        if (does === 'set') {
          const place = found < 0 ? table.add(key) : found;
          table.touch(place);
          expect(table.cells[table.startOf(place)]).toBe(0);
          table.cells[table.startOf(place) + 1] = value;
          model.set(text, value);
        } else if (does === 'delete' && found >= 0) {
          const serial = table.serialOf(found);
          table.delete(found);
          expect(table.serialOf(found)).not.toBe(serial);
          model.delete(text);
        } else if (does === 'clear') {
          table.clear();
          model = new Recent(capacity);
        }
        table.unlock();
        expect(table.size).toBe(model.size);
      }
    }),
  );
});

test('keys of other texts are other keys, and other ones in another table', () => {
  const [one, other] = [1, 2].map(() => new SharedTable(SharedTable.make(1, 1)));
  const texts = Array.from({ length: 50_000 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
  const keys = texts.map((text) => one?.keyOf(text));
  expect(new Set(keys).size).toBe(texts.length);
  expect(keys.every(Number.isSafeInteger)).toBe(true);
  expect(new Set([...keys, ...texts.map((text) => other?.keyOf(text))]).size).toBe(2 * texts.length);
});

test('threads that change it at once leave it whole', async () => {
  const threads = 4;
  const each = 40_000;
  const memory = SharedTable.make(64, 1);
  await inThreads<void>(
    threads,
    `import { SharedTable } from '#src/base/shared-table.js';`,
    `({ memory, each }, thread) => {
      const table = new SharedTable(memory);
      let random = thread;
      for (let steps = 0; steps < each; steps++) {
        random = (Math.imul(random, 1103515245) + 12345) >>> 0;
        const key = table.keyOf(String((random >>> 8) % 100));
        table.lock();
        const found = table.find(key);
        if (found >= 0 && random % 5 === 0) table.delete(found);
        else {
          const place = found < 0 ? table.add(key) : found;
          table.touch(place);
          table.cells[table.startOf(place)] += 1;
        }
        table.unlock();
        table.lock();
        const counted = table.find(table.keyOf('all'));
        const all = counted < 0 ? table.add(table.keyOf('all')) : counted;
        table.touch(all);
        table.cells[table.startOf(all)] += 1;
        table.unlock();
      }
    }`,
    { memory, each },
  );
  const table = new SharedTable(memory);
  const all = table.find(table.keyOf('all'));
  expect(table.cells[table.startOf(all)]).toBe(threads * each);
  const places = new Set<number>();
  for (let place = table.oldest; place >= 0; place = table.newerThan(place)) places.add(place);
  const found = Array.from({ length: 100 }, (_, key) => table.find(table.keyOf(String(key)))).filter((at) => at >= 0);
  expect(new Set([...found, all])).toStrictEqual(places);
  expect(table.size).toBe(places.size);
});
