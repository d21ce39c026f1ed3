import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../test/support/property.js';
import { RecordCounter, recordsIn } from './record-count.js';

function found(value: unknown): readonly [noun: string, count: number] | undefined {
  const records = recordsIn(Buffer.from(JSON.stringify(value)));
  return records === undefined ? undefined : [records.noun, records.count];
}

test('records are the most numerous objects, the innermost of those', () => {
  expect(found({ Calls: [{ id: 1 }, { id: 2 }] })).toStrictEqual(['calls', 2]);
  expect(found([{ id: 1 }, { id: 2 }, { id: 3 }])).toStrictEqual(['records', 3]);
  const contacts = [{ Contact: 'a' }, { Contact: 'b' }];
  const aors = [1, 2].map((aor) => ({ AOR: `${aor}`, Contacts: contacts }));
  expect(found({ Domains: [{ name: 'x', AORs: aors }] })).toStrictEqual(['contacts', 4]);
  expect(
    found({ Domains: [{ AORs: [1, 2].map((aor) => ({ AOR: aor, Contacts: [{ Contact: 'a' }] })) }] }),
  ).toStrictEqual(['contacts', 2]);
});

test('nothing is told where records cannot be counted by how they begin', () => {
  expect(found('text')).toBe(undefined);
  expect(found([1, 2, 3])).toBe(undefined);
  expect(found([{ a: 1 }, { b: 1 }])).toBe(undefined);
  expect(found([{ a: { a: 1 } }, { a: 1 }])).toBe(undefined);
  expect(found([{}, { a: 1 }, { a: 2 }])).toBe(undefined);
});

test('all are counted, however the text is cut, and whatever their values are', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('{"a":', '\\{"a":', '"a":', '{'));
  holds(
    fc.property(fc.array(text, { minLength: 2 }), fc.nat(200), fc.integer({ min: 1, max: 9 }), (texts, at, step) => {
      const json = Buffer.from(JSON.stringify({ Rows: texts.map((value) => ({ a: value })) }));
      const first = json.subarray(0, Math.max(at, 24));
      const records = recordsIn(first);
      if (records === undefined) return;
      const counter = new RecordCounter(records.mark);
      counter.push(first);
      for (let from = first.length; from < json.length; from += step) counter.push(json.subarray(from, from + step));
      expect(counter.count).toBe(texts.length);
    }),
  );
});
