import { expect, test } from 'vitest';
import { inThreads } from '../../test/support/threads.js';
import { Latencies } from '../native/latencies.js';
import { Statistics } from './statistics.js';

const threads = 3;

function decoded(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}

test('statistics of several threads are told as their sums, by whichever thread', async () => {
  const home = new Statistics(undefined, threads + 1);
  const calls = home.add('mi', 'calls', 'counter');
  const open = home.add('httpd', 'open', 'gauge');
  home.add('core', 'now', 'computed', () => 7);
  calls.add(1);
  open.value = 2;
  const told = await inThreads<{ own: number; text: string; isHere: readonly boolean[] }>(
    threads,
    `import { Statistics } from '#src/mi/statistics.js';`,
    `({ shared }, thread) => {
      const statistics = new Statistics(undefined, shared, thread);
      const calls = statistics.add('mi', 'calls', 'counter');
      for (let counted = 0; counted < 100_000; counted++) calls.add(1);
      statistics.add('httpd', 'open', 'gauge').add(thread);
      const some = statistics.select(statistics.find(['mi:', 'httpd:'], { all: true }));
      return {
        own: calls.own,
        text: Buffer.from(some.print()).toString(),
        isHere: [some.isHere, statistics.selectAll().isHere],
      };
    }`,
    { shared: home.shared },
  );
  const all = { 'mi:calls': threads * 100_000 + 1, 'httpd:open': 8, 'core:now': 7 };
  expect(decoded(home.selectAll().print())).toStrictEqual(all);
  expect(home.selectAll().toJSON()).toStrictEqual(all);
  expect([calls.value, calls.own, open.value, open.own]).toStrictEqual([threads * 100_000 + 1, 1, 8, 2]);
  for (const { own, text, isHere } of told) {
    expect(own).toBe(100_000);
    const { 'mi:calls': some } = JSON.parse(text) as Record<string, number>;
    expect(some).toBeGreaterThanOrEqual(100_001);
    expect(isHere).toStrictEqual([true, false]);
  }
  home.lost(3);
  expect([calls.value, open.value]).toStrictEqual([threads * 100_000 + 1, 5]);
});

test('a counter that is reset is 0, and counts on, in whichever thread', () => {
  const home = new Statistics(undefined, 3);
  const first = home.add('mi', 'calls', 'counter');
  const [one, other] = [1, 2].map((thread) => new Statistics(undefined, home.shared, thread));
  const all = [first, ...[one, other].map((there) => there?.add('mi', 'calls', 'counter'))];
  for (const [index, there] of all.entries()) there?.add(10 ** index);
  expect(all.map((there) => there?.value)).toStrictEqual([111, 111, 111]);
  first.value = 0;
  expect(all.map((there) => there?.value)).toStrictEqual([0, 0, 0]);
  for (const there of all) there?.add(2);
  expect(all.map((there) => there?.value)).toStrictEqual([6, 6, 6]);
  expect(decoded(one?.selectAll().print() ?? Buffer.alloc(0))).toStrictEqual({ 'mi:calls': 6 });
});

test('another thread learns of statistics that come later, and adds none of its own', () => {
  const home = new Statistics(undefined, 2);
  home.add('a', 'one', 'counter');
  const face = new Statistics(undefined, home.shared, 1);
  expect(() => face.add('b', 'two', 'counter')).toThrow(/none of the first thread/);
  expect(() => face.add('a', 'one', 'gauge')).toThrow(/has the name/);
  const two = home.add('b', 'two', 'counter', { unit: 'bytes' });
  home.add('b', 'three', 'gauge');
  face.learn(home.shared.all.slice(1), 1);
  face.learn(home.shared.all);
  const there = face.add('b', 'two', 'counter');
  there.add(4);
  expect([two.value, there.about, face.all.length]).toStrictEqual([4, { unit: 'bytes' }, 3]);
});

test('latencies of several threads are read together, and begin anew in all', async () => {
  const home = new Latencies(4, threads + 1);
  home.add();
  const slot = home.add() ?? -1;
  home.count(slot, 100, 1);
  const count = () =>
    inThreads<number>(
      threads,
      `import { Latencies } from '#src/native/latencies.js';`,
      `({ shared, slot }, thread) => {
        const latencies = new Latencies(4, shared, thread);
        for (let counted = 0; counted < 10_000; counted++) latencies.count(slot, thread * 1000, 2);
        latencies.fail(slot);
        return latencies.read(slot).longest;
      }`,
      { shared: home.shared, slot },
    );
  home.tick();
  await count();
  const { buckets, sum, longest, failed } = home.read(slot);
  const calls = buckets.reduce((all, some) => all + some, 0);
  expect([calls, sum, longest, failed]).toStrictEqual([60_001, 120_000_100, 3000, 3]);
  const [half = 0] = home.quantiles(slot, Float64Array.of(0.5));
  expect(half >= 1600 && half <= 2500, `${half}`).toBe(true);
  home.tick();
  expect(home.recent(1, 0.5)).toBe(1920);
  home.reset(slot);
  const none = home.read(slot);
  expect([...none.buckets].every((some) => some === 0)).toBe(true);
  expect([none.sum, none.longest, none.failed]).toStrictEqual([0, 0, 0]);
  await count();
  expect(home.read(slot)).toMatchObject({ sum: 120_000_000, longest: 3000, failed: 3 });
  expect(() => home.read(2)).toThrow(/slot 2 of latencies/);
});
