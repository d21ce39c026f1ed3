import { setImmediate } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { test } from '../../../test/support/test.js';
import { dumped, service } from '../../../test/support/usrloc-service.js';
import type { Domain } from './domain.js';
import { ExpiryTimer } from './usrloc.js';

describe('expiry of contacts', () => {
  test('deletes what has expired, keeps what has not, tells and counts', async ({ stopClock }) => {
    const clock = stopClock();
    const { usrloc, log, location, statistic } = service();
    const told: string[] = [];
    location.on('expire', (aor, { contact, expires }) => void told.push(`${aor} ${contact} ${expires}`));
    location.on('delete', () => void told.push('delete'));
    location.save('alice', { contact: 'sip:1', expires: 10 });
    location.save('alice', { contact: 'sip:2', expires: 20 });
    location.save('alice', { contact: 'sip:3', expires: 'permanent' });
    location.save('bob', { contact: 'sip:1', expires: 10 });
    const timer = new ExpiryTimer(() => usrloc.domains, 60, 1000, log);
    clock.advance(9);
    await timer.run();
    expect(location.contacts).toBe(4);
    clock.advance(1);
    await timer.run();
    expect(told.sort()).toStrictEqual(['alice sip:1 0', 'bob sip:1 0']);
    expect(dumped(location).map(({ AOR, Contacts }) => [AOR, Contacts?.map(({ Expires }) => Expires)])).toStrictEqual([
      ['alice', [10, 'permanent']],
    ]);
    clock.advance(1_000_000);
    await timer.run();
    expect([location.users, location.contacts, statistic('location-expires')]).toStrictEqual([1, 1, 3]);
    expect(dumped(location)[0]?.Contacts?.[0]?.Expires).toBe('permanent');
  });

  test('comes by itself every timer_interval seconds, and no more after stop', async ({ stopClock }) => {
    const clock = stopClock();
    const { usrloc, log, location } = service();
    const timer = new ExpiryTimer(() => usrloc.domains, 5, 10, log);
    timer.start();
    location.save('alice', { contact: 'sip:1', expires: 2 });
    location.save('bob', { contact: 'sip:1', expires: 7 });
    clock.advance(4);
    await setImmediate();
    expect(location.users, 'expired, but there until the timer comes').toBe(2);
    clock.advance(1);
    await timer.run();
    expect(location.users).toBe(1);
    timer.stop();
    clock.advance(60);
    await setImmediate();
    expect(location.users).toBe(1);
  });

  test('gives other work its turn after max_contact_delete contacts', async ({ stopClock }) => {
    const clock = stopClock();
    const { usrloc, log, location } = service();
    for (let i = 0; i < 100; i++) location.save(`user${i}`, { contact: 'sip:1', expires: 1 });
    clock.advance(1);
    const timer = new ExpiryTimer(() => usrloc.domains, 60, 10, log);
    let isOver = false;
    const run = timer.run().then(() => {
      isOver = true;
    });
    expect(timer.run() instanceof Promise, 'a second search waits for the first').toBe(true);
    const left: number[] = [];
    while (!isOver) {
      left.push(location.contacts);
      await setImmediate();
    }
    await run;
    expect(location.contacts).toBe(0);
    const steps = left.map((count, index) => (index === 0 ? 100 : (left[index - 1] ?? 0)) - count);
    expect(
      steps.every((step) => step <= 10),
      `deleted at once: ${steps.join(' ')}`,
    ).toBe(true);
    expect(left.length).toBeGreaterThanOrEqual(10);
  });

  test('contacts that change between two slices are looked at as they are then', async ({ stopClock }) => {
    const clock = stopClock();
    const { usrloc, log, location, statistic } = service();
    for (let i = 0; i < 20; i++) location.save(`user${i}`, { contact: 'sip:1', expires: 1 });
    clock.advance(1);
    const run = new ExpiryTimer(() => usrloc.domains, 60, 1, log).run();
    // The first has gone by now.
    const gone = 20 - location.users;
    expect(gone).toBe(1);
    const kept = dumped(location, true).map(({ AOR }) => AOR);
    location.save(kept[5] ?? '', { contact: 'sip:1', expires: 50 });
    location.remove(kept[6] ?? '');
    location.save('late', { contact: 'sip:1', expires: 50 });
    await run;
    expect(
      dumped(location, true)
        .map(({ AOR }) => AOR)
        .sort(),
    ).toStrictEqual(['late', kept[5]].sort());
    expect(statistic('location-expires')).toBe(18);
  });

  test('a search that fails is logged, and the next one comes', async ({ stopClock, onTestFinished }) => {
    const clock = stopClock();
    const { usrloc, log, errors, location } = service();
    let searches = 0;
    const domains = (): Iterable<Domain> => {
      searches += 1;
      if (searches === 1) throw new Error('no');
      return usrloc.domains;
    };
    const timer = new ExpiryTimer(domains, 5, 10, log);
    onTestFinished(() => timer.stop());
    timer.start();
    location.save('alice', { contact: 'sip:1', expires: 1 });
    clock.advance(5);
    await setImmediate();
    expect(errors).toStrictEqual(['search for expired contacts failed; it is tried again']);
    clock.advance(5);
    await timer.run();
    expect(location.users).toBe(0);
  });

  test('slices stay short with many contacts', async ({ stopClock, annotate }) => {
    const clock = stopClock();
    const { usrloc, log, location } = service();
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      location.save(`user${i}@example.com`, { contact: `sip:user${i}@192.0.2.1:5060`, expires: 1 + (i % 2) * 60 });
    }
    clock.advance(1);
    let isOver = false;
    void new ExpiryTimer(() => usrloc.domains, 60, 1_000_000, log).run().then(() => {
      isOver = true;
    });
    const slices: number[] = [];
    while (!isOver) {
      const before = performance.now();
      await setImmediate();
      slices.push(performance.now() - before);
    }
    expect(location.contacts).toBe(count / 2);
    slices.sort((a, b) => a - b);
    annotate(`${slices.length} slices, median ${slices[slices.length >> 1]} ms, longest ${slices.at(-1)} ms`);
    // The median, for a machine that has other things to do stretches single ones.
    expect(slices[slices.length >> 1] ?? 9).toBeLessThan(1);
  });
});
