import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, test } from 'vitest';
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
    assert.deepEqual([result, location.users], [{ added: 3, rejected: [] }, 3]);
  });

  test('that is large lets other work have its turn', async (t) => {
    const { location } = service();
    const result = addMany(location, contacts, () => [], new Call('usrloc:add_many'));
    assert.ok(result instanceof Promise);
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
    assert.deepEqual(await result, { added: 20_000, rejected: [] });
    turns.sort((a, b) => a - b);
    const median = turns[turns.length >> 1] ?? 9;
    t.annotate(`${turns.length} turns, median ${median} ms, longest ${turns.at(-1)} ms`);
    assert.ok(median < 1);
  });

  test('ends when its client has left', async () => {
    const { location } = service();
    const call = new Call('usrloc:add_many');
    const result = addMany(location, contacts, () => [], call);
    call.abort(new Error('the client left'));
    await assert.rejects(async () => result, /the client left/);
    assert.ok(location.users > 0 && location.users < 10_000, String(location.users));
  });

  test('fails with what is a defect, and does not take it for a wrong contact', () => {
    const { location } = service();
    const broken = (): never => {
      throw new TypeError('defect');
    };
    const [contact] = contacts;
    assert.throws(() => addMany(location, [{ ...contact, cflags: 1 }], broken, new Call('x')), /defect/);
  });
});
