import { assert, expect, test } from 'vitest';
import { RecordTable, TableDump } from './record-table.js';
import { printParts } from './result.js';

test('values without dumps are one text', () => {
  expect(printParts({ a: [1, 'é', null] })).toBe('{"a":[1,"é",null]}');
  expect(printParts([12345678901234567890n])).toBe('[12345678901234567890]');
  expect(printParts(undefined)).toBe(undefined);
  expect(() => {
    const circle: unknown[] = [];
    circle.push(circle);
    printParts(circle);
  }).toThrow(RangeError);
});

test('a long text is printed in slices, as a long list is', () => {
  for (const value of ['x'.repeat(1_000_000), Array.from({ length: 100_000 }, () => 1)]) {
    const parts = printParts(value);
    assert(Array.isArray(parts) && parts.length === 1);
    expect(typeof parts[0]).toBe('object');
    for (const part of parts) if (typeof part === 'object') part.discard();
  }
});

test('dumps part the text, in order, however often each occurs', () => {
  const table = new RecordTable<number>().set('a', 1);
  const [one, two] = [table.dump(), table.dump({ as: 'keys' })];
  expect(printParts(one)).toStrictEqual([one]);
  expect(printParts([one, two, { x: [one], 'y"': two }, 'z'])).toStrictEqual([
    '[',
    one,
    ',',
    two,
    ',{"x":[',
    one,
    '],"y\\"":',
    two,
    '},"z"]',
  ]);
  expect(printParts({ id: 2n, list: one, last: 18446744073709551615n, keys: [two] })).toStrictEqual([
    '{"id":2,"list":',
    one,
    ',"last":18446744073709551615,"keys":[',
    two,
    ']}',
  ]);
});

test('joined again, the parts are what JSON.stringify prints', () => {
  const table = new RecordTable<unknown>().set('a', { text: '"\\' }).set('b', [1]);
  const value = Array.from({ length: 30 }, (_, index) => ({ [`n${index}`]: table.dump(), index }));
  const parts = printParts(value);
  assert(Array.isArray(parts));
  const text = parts.map((part) => (part instanceof TableDump ? JSON.stringify(part) : part)).join('');
  expect(text).toBe(JSON.stringify(value));
});

test('texts that look like what stands for a dump stay texts', () => {
  const dump = new RecordTable().dump();
  const before: unknown[] = [];
  const spy = { toJSON: () => before.push(dump.toJSON()) };
  expect(() => printParts([dump, spy, { toJSON: () => `see ${before[0]}` }])).toThrow(
    /turned into a text before the reply/,
  );
  expect(printParts([before[0]])).toBe(JSON.stringify(before));
});

test('a value that prints a reply of its own while it is printed', () => {
  const table = new RecordTable<number>().set('a', 1);
  const [outer, inner] = [table.dump(), table.dump()];
  const nested = {
    toJSON() {
      expect(printParts([inner])).toStrictEqual(['[', inner, ']']);
      return 'x';
    },
  };
  expect(printParts([outer, nested, inner])).toStrictEqual(['[', outer, ',"x",', inner, ']']);
  expect(JSON.stringify([inner])).toBe('[[1]]');
});

test('a dump that was made a text too early is refused', () => {
  const dump = new RecordTable().dump();
  const early = { toJSON: () => JSON.stringify([dump]) };
  expect(() => printParts({ early })).toThrow(
    /dump of a record table was turned into a text before the reply was printed/,
  );
});
