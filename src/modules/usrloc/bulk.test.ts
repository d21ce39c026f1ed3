import { setImmediate } from 'node:timers/promises';
import { assert, describe, expect } from 'vitest';
import { test } from '../../../test/support/test.js';
import { service } from '../../../test/support/usrloc-service.js';
import { Call } from '../../mi/calls/call.js';
import { addMany } from './bulk.js';

const contacts = Array.from({ length: 20_000 }, (_none, i) => ({
  aor: `user${i}@example.com`,
  contact: `sip:user${i}@192.0.2.1`,
  expires: 600,
}));

describe('a bulk of contacts', () => {
  test('is saved', async () => {
    const { location } = service();
    const result = await addMany(location, contacts.slice(0, 3), () => [], new Call('usrloc:add_many'));
    expect([result, location.users]).toStrictEqual([{ added: 3, rejected: [] }, 3]);
  });

  test('that is large lets other work have its turn', async ({ annotate }) => {
    const { location } = service();
    const result = addMany(location, contacts, () => [], new Call('usrloc:add_many'));
    assert(result instanceof Promise);
    let isOver = false;
    void result.then(() => {
      isOver = true;
    });
    const turns: number[] = [];
    while (!isOver) {
      const before = performance.now();
      await setImmediate();
      turns.push(performance.now() - before);
    }
    expect(await result).toStrictEqual({ added: 20_000, rejected: [] });
    turns.sort((a, b) => a - b);
    const median = turns[turns.length >> 1] ?? 9;
    annotate(`${turns.length} turns, median ${median} ms, longest ${turns.at(-1)} ms`);
    expect(median).toBeLessThan(1);
  });

  test('ends when its client has left', async () => {
    const { location } = service();
    const call = new Call('usrloc:add_many');
    const result = addMany(location, contacts, () => [], call);
    call.abort(new Error('the client left'));
    await expect(async () => result).rejects.toThrow(/the client left/);
    expect(location.users > 0 && location.users < 10_000, String(location.users)).toBe(true);
  });

  test('fails with what is a defect, and does not take it for a wrong contact', () => {
    const { location } = service();
    const broken = (): never => {
      throw new TypeError('defect');
    };
    const [contact] = contacts;
    expect(() => addMany(location, [{ ...contact, cflags: 1 }], broken, new Call('x'))).toThrow(/defect/);
  });
});
