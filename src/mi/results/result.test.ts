import assert from 'node:assert/strict';
import { test } from 'vitest';
import { RecordTable, TableDump } from './record-table.js';
import { printParts } from './result.js';

test('values without dumps are one text', () => {
  assert.equal(printParts({ a: [1, 'é', null] }), '{"a":[1,"é",null]}');
  assert.equal(printParts([12345678901234567890n]), '[12345678901234567890]');
  assert.equal(printParts(undefined), undefined);
  assert.throws(() => {
    const circle: unknown[] = [];
    circle.push(circle);
    printParts(circle);
  }, RangeError);
});

test('dumps part the text, in order, however often each occurs', () => {
  const table = new RecordTable<number>().set('a', 1);
  const [one, two] = [table.dump(), table.dump({ as: 'keys' })];
  assert.deepEqual(printParts(one), [one]);
  assert.deepEqual(printParts([one, two, { x: [one], 'y"': two }, 'z']), [
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
  assert.deepEqual(printParts({ id: 2n, list: one, last: 18446744073709551615n, keys: [two] }), [
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
  assert.ok(Array.isArray(parts));
  const text = parts.map((part) => (part instanceof TableDump ? JSON.stringify(part) : part)).join('');
  assert.equal(text, JSON.stringify(value));
});

test('texts that look like what stands for a dump stay texts', () => {
  const dump = new RecordTable().dump();
  const before: unknown[] = [];
  const spy = { toJSON: () => before.push(dump.toJSON()) };
  assert.throws(
    () => printParts([dump, spy, { toJSON: () => `see ${before[0]}` }]),
    /turned into a text before the reply/,
  );
  assert.equal(printParts([before[0]]), JSON.stringify(before));
});

test('a value that prints a reply of its own while it is printed', () => {
  const table = new RecordTable<number>().set('a', 1);
  const [outer, inner] = [table.dump(), table.dump()];
  const nested = {
    toJSON() {
      assert.deepEqual(printParts([inner]), ['[', inner, ']']);
      return 'x';
    },
  };
  assert.deepEqual(printParts([outer, nested, inner]), ['[', outer, ',"x",', inner, ']']);
  assert.equal(JSON.stringify([inner]), '[[1]]');
});

test('a dump that was made a text too early is refused', () => {
  const dump = new RecordTable().dump();
  const early = { toJSON: () => JSON.stringify([dump]) };
  assert.throws(
    () => printParts({ early }),
    /dump of a record table was turned into a text before the reply was printed/,
  );
});
