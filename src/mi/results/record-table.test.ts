import assert from 'node:assert/strict';
import { test } from 'vitest';
import { start, stopClock } from '../../../test/support/usrloc-service.js';
import { currentSecond } from '../../base/clock.js';
import { type DumpCursor, RecordLimitError, RecordTable, TableDump } from './record-table.js';
import { printParts } from './result.js';
import { nonce, secondsLeft } from './seconds-left.js';

const bytes = (text: string) => Buffer.from(text);
const textOf = (view: Uint8Array | undefined) => (view === undefined ? undefined : Buffer.from(view).toString());

/** What a dump prints from here on, through a window of that size. */
function rest(cursor: DumpCursor, size = 65536): string {
  const window = new Uint8Array(size);
  const pieces: Buffer[] = [];
  for (let length = cursor.fill(window); length > 0; length = cursor.fill(window)) {
    pieces.push(Buffer.from(window.subarray(0, length)));
  }
  return Buffer.concat(pieces).toString();
}

test('records are set, got, replaced and deleted', () => {
  const table = new RecordTable<{ name: string; list?: unknown[] }>();
  assert.deepEqual(
    [table.size, table.bytes, table.get('a'), table.has('a'), table.delete('a')],
    [0, 0, undefined, false, false],
  );
  table.set('a', { name: 'ä€😀', list: [1, null, 'x'] }).set('', { name: '' });
  assert.deepEqual(table.get('a'), { name: 'ä€😀', list: [1, null, 'x'] });
  assert.deepEqual(table.get(''), { name: '' });
  assert.equal(table.size, 2);
  table.set('a', { name: 'b' });
  assert.equal(textOf(table.getJson('a')), '{"name":"b"}');
  assert.equal(table.bytes, 1 + '{"name":"b"}'.length + '{"name":""}'.length);
  assert.deepEqual([table.delete('a'), table.has('a'), table.has(''), table.size], [true, false, true, 1]);
  table.clear();
  assert.deepEqual([table.size, table.bytes, [...table.keys()]], [0, 0, []]);
});

test("bytes that were got are the caller's own", () => {
  const table = new RecordTable<string>().set('a', 'one').set('b', 'two');
  const [a, b] = [table.getJson('a'), table.getJson('b')];
  table.set('a', 'six');
  assert.deepEqual([textOf(a), textOf(b), table.get('a')], ['"one"', '"two"', 'six']);
});

test('JSON texts are validated and kept as they are, without blanks', () => {
  const table = new RecordTable();
  table.setJson('k', bytes(' { "a" : [ 1.50e+3 ,\n18446744073709551616, " \\u0041 " ] ,"a":1} '));
  assert.equal(textOf(table.getJson('k')), '{"a":[1.50e+3,18446744073709551616," \\u0041 "],"a":1}');
  for (const text of ['', ' ', '[1,]', '1 2', '"\n"', '"']) {
    assert.throws(() => table.setJson('k', bytes(text)), /^Error: record is not JSON: .* at byte \d+$/);
  }
  assert.throws(() => table.setJson('k', new Uint8Array([0x22, 0xff, 0x22])), /invalid UTF-8 at byte 1/);
  assert.equal(table.bytes, 1 + '{"a":[1.50e+3,18446744073709551616," \\u0041 "],"a":1}'.length);
});

test('integers beyond 2^53 are kept exactly', () => {
  const table = new RecordTable().set('k', { id: 18446744073709551615n, left: secondsLeft(0) });
  assert.equal(textOf(table.getJson('k')), '{"id":18446744073709551615,"left":0}');
});

test('records and keys of any length', () => {
  const table = new RecordTable<{ text: string; left: number }>();
  const longKey = 'é'.repeat(32_767);
  for (const length of [100, 8_000, 8_200, 60_000, 131_072, 3_000_000]) {
    const text = '€'.repeat(length);
    table.set(longKey, { text, left: secondsLeft(currentSecond() + 1000) });
    assert.equal(table.get(longKey)?.text, text);
    assert.equal(JSON.parse(rest(table.dump().open(), 1000))[0].text, text);
    table.setJson('k', bytes(JSON.stringify({ text })));
    assert.equal(table.get('k')?.text, text);
  }
  assert.deepEqual([...table.keys()], [longKey, 'k']);
  assert.throws(
    () => table.set('k'.repeat(65_536), { text: '', left: 0 }),
    /key of 65536 bytes is longer than the 65535/,
  );
  assert.deepEqual([table.has('k'.repeat(1_000_000)), table.get('é'.repeat(100_000))], [false, undefined]);
});

test('what cannot be a record is refused and changes nothing', () => {
  const table = new RecordTable().set('k', 1);
  const circle: unknown[] = [];
  circle.push(circle);
  for (const [value, error] of [
    [undefined, /record "k" is set to a undefined, which JSON does not have/],
    [() => 1, /set to a function/],
    [circle, RangeError],
  ] as const) {
    assert.throws(() => table.set('k', value), error);
  }
  assert.throws(() => table.set('\ud800', 1), /key "\\ud800" has half of a surrogate pair/);
  assert.throws(() => table.get('a\udc00'), TypeError);
  assert.throws(() => table.set('k', 2, { deadline: Number.NaN }), /deadline is not a number/);
  assert.deepEqual([table.get('k'), table.size], [1, 1]);
  table.set('k', '\ud800');
  assert.equal(table.get('k'), '\ufffd');
  for (const half of ['\\ud800', '\\uDC00\\ud800', '\\ud800\\\\udc00']) {
    assert.throws(() => table.setJson('k', Buffer.from(`"${half}"`)), /half of a surrogate pair/);
  }
  table.setJson('k', Buffer.from('"\\\\ud800 \\ud83d\\ude00"'));
  assert.equal(table.get('k'), '\\ud800 😀');
});

test('seconds left are counted at the time of reading', () => {
  interface Contact {
    Expires: number | string;
    other?: { deep: (number | null)[] };
  }
  const texts = { permanent: 'permanent', expired: 'exp"ired' };
  const table = new RecordTable<Contact>();
  table.set('a', { Expires: secondsLeft(1000, texts), other: { deep: [null, secondsLeft(1007), secondsLeft(0)] } });
  table.set('b', { Expires: secondsLeft(0, texts) });
  table.set('c', { Expires: secondsLeft(990, { expired: 'over' }) });
  const at = (now: number) => rest(table.dump().open(now), 7);
  assert.equal(at(990), '[{"Expires":10,"other":{"deep":[null,17,0]}},{"Expires":"permanent"},{"Expires":"over"}]');
  assert.equal(
    at(1000),
    '[{"Expires":"exp\\"ired","other":{"deep":[null,7,0]}},{"Expires":"permanent"},{"Expires":"over"}]',
  );
  assert.deepEqual(table.get('a'), { Expires: 'exp"ired', other: { deep: [null, 0, 0] } });
  assert.equal(table.dump().open().length, undefined);
  for (const time of [-1, 0.5, 2 ** 48, Number.NaN]) assert.throws(() => secondsLeft(time), RangeError);
});

test('a dump reads the clock once', (context) => {
  const clock = stopClock(context);
  const table = new RecordTable<number>();
  for (let index = 0; index < 10; index += 1) table.set(`k${index}`, secondsLeft(start + 10));
  const cursor = table.dump().open();
  const window = new Uint8Array(8);
  const length = cursor.fill(window);
  clock.advance(5);
  assert.equal(Buffer.from(window.subarray(0, length)).toString() + rest(cursor), `[${'10,'.repeat(9)}10]`);
  assert.equal(table.get('k0'), 5);
});

test('seconds left are counted by a clock that nobody sets', (context) => {
  const clock = stopClock(context);
  const table = new RecordTable<number>();
  table.set('before', secondsLeft(start + 3600));
  for (const [set, date] of [
    [86_400, start + 86_400],
    [-172_800, start - 86_400],
  ] as const) {
    clock.set(set);
    assert.equal(table.get('before'), 3600);
    assert.equal(table.set('after', secondsLeft(date + 3600)).get('after'), 3600);
    assert.equal(table.set('over', secondsLeft(1)).get('over'), 0);
  }
  clock.advance(10);
  assert.deepEqual([table.get('before'), table.get('after')], [3590, 3590]);
});

test('no text of a user is taken for seconds left', () => {
  const table = new RecordTable();
  const value = { nonce: `${nonce}0.5`, quoted: `"${nonce}0.5"`, [`${nonce}0.7`]: 1 };
  assert.deepEqual(table.set('k', value).get('k'), value);
  const guess = 'A'.repeat(nonce.length);
  table.set('k', { guess: `${guess}0.5`, left: secondsLeft(1) });
  assert.deepEqual(table.get('k'), { guess: `${guess}0.5`, left: 0 });
});

test('markers do not leave the table', () => {
  const left = secondsLeft(currentSecond() + 1000);
  assert.match(JSON.stringify({ left }), /^\{"left":(1000|999)\}$/);
  const table = new RecordTable();
  const early = { toJSON: () => JSON.stringify({ left }) };
  assert.throws(() => table.set('k', { early }), /depends on time was turned into a text before/);
  const other = new RecordTable<number>();
  const nested = { toJSON: () => other.set('n', left).get('n') };
  table.set('k', [left, nested, left]);
  assert.match(textOf(table.getJson('k')) ?? '', /^\[(1000|999),(1000|999),(1000|999)\]$/);
});

test('dumps of keys', () => {
  const table = new RecordTable<number>().setMany([
    ['alice', 1],
    ['b"o\\b\n', secondsLeft(7)],
  ]);
  assert.equal(rest(table.dump({ as: 'keys' }).open()), '["alice","b\\"o\\\\b\\n"]');
  assert.equal(rest(table.dump({ as: 'keys', member: 'AOR' }).open(), 3), '[{"AOR":"alice"},{"AOR":"b\\"o\\\\b\\n"}]');
  assert.throws(() => table.dump({ member: 'AOR' }), /dump of records has a member name "AOR"/);
  assert.equal(table.dump({ as: 'keys' }).open().length, undefined);
});

test('dumps are filled to the end of every window but the last', () => {
  const table = new RecordTable<string>();
  for (let index = 0; index < 100; index += 1) table.set(`k${index}`, 'x'.repeat(index));
  const cursor = table.dump().open();
  const length = cursor.length ?? -1;
  const window = new Uint8Array(99);
  let sum = 0;
  for (let filled = 99; filled === 99; sum += filled) filled = cursor.fill(window);
  assert.equal(sum, length);
  assert.deepEqual([cursor.fill(window), cursor.fill(window)], [0, 0]);
  assert.throws(() => cursor.fill(new Uint8Array(0)), /buffer of 0 bytes/);
});

test('a record that is half printed stays as it was', () => {
  const table = new RecordTable<string>();
  for (const length of [100, 100_000]) {
    table.clear();
    table.set('a', 'a'.repeat(length)).set('b', 'b'.repeat(length)).set('c', 'c');
    const cursor = table.dump().open();
    const window = new Uint8Array(50);
    cursor.fill(window);
    table.set('a', 'A'.repeat(length)).set('b', 'B'.repeat(length)).delete('c');
    table.set('d', 'new').set('c', 'new');
    assert.deepEqual(JSON.parse(Buffer.from(window).toString() + rest(cursor)), [
      'a'.repeat(length),
      'B'.repeat(length),
    ]);
  }
});

test('released dumps end, and slots of others are not theirs', () => {
  const table = new RecordTable<number>().set('a', 1);
  const first = table.dump().open();
  first.release();
  const second = table.dump().open();
  first.release();
  assert.equal(first.fill(new Uint8Array(9)), 0);
  assert.equal(rest(second), '[1]');
  // The table's numbers of dumps begin anew after 2048.
  for (let index = 0; index < 2046; index += 1) table.dump().open().release();
  const later = table.dump().open();
  first.release();
  assert.equal(first.fill(new Uint8Array(9)), 0);
  assert.equal(rest(later), '[1]');
});

test('a dump outside of a reply is an array of its records', () => {
  const table = new RecordTable<{ a: string }>().set('k', { a: '€' });
  assert.ok(table.dump() instanceof TableDump);
  assert.equal(
    JSON.stringify({ list: table.dump(), none: new RecordTable().dump() }),
    '{"list":[{"a":"€"}],"none":[]}',
  );
});

test('a dump in a record is stored whole, also while a reply is printed', () => {
  const inner = new RecordTable<number>().set('a', 1);
  const table = new RecordTable();
  const lazy = { toJSON: () => table.set('k', { dump: inner.dump() }).get('k') };
  assert.equal(printParts({ lazy }), '{"lazy":{"dump":[1]}}');
  assert.equal(textOf(table.getJson('k')), '{"dump":[1]}');
});

test('keys can be walked while the table changes', () => {
  const table = new RecordTable<number>();
  const count = 20_000;
  for (let index = 0; index < count; index += 1) table.set(`key number ${index}`, index);
  const seen = new Set<string>();
  for (const key of table.keys()) {
    assert.equal(seen.has(key), false);
    seen.add(key);
    table.delete(key);
    table.set(key, 1);
  }
  assert.equal(seen.size, count);
  assert.equal(table.size, count);
  const before = table.keys();
  before.next();
  table.clear();
  assert.equal(before.next().done, true, 'keys that are deleted before their turn are left out');
});

test('deadlines are found in batches', () => {
  const table = new RecordTable<number>();
  for (let index = 0; index < 30_000; index += 1) table.set(`${index}`, index, { deadline: index });
  table.set('100', 1).set('101', 1, { deadline: 1e9 });
  const batches = [...table.due(110)];
  assert.equal(batches.length, 4);
  const expected = Array.from({ length: 111 }, (_, index) => `${index}`).filter(
    (key) => key !== '100' && key !== '101',
  );
  assert.deepEqual(batches.flat(), expected);
  assert.throws(() => table.due(Number.POSITIVE_INFINITY), RangeError);
});

test('memory that is held is told, and given back', () => {
  const table = new RecordTable<string>();
  for (let index = 0; index < 20_000; index += 1) table.set(`${index}`, 'x'.repeat(400));
  assert.ok(table.heldBytes > table.bytes && table.heldBytes < 1.3 * table.bytes, `${table.heldBytes} ${table.bytes}`);
  assert.ok(table.fragmentation > 0 && table.fragmentation < 0.25, `${table.fragmentation}`);
  for (let index = 0; index < 19_900; index += 1) table.delete(`${index}`);
  assert.ok(table.heldBytes < 1_000_000, `${table.heldBytes}`);
});

test('limits: what has no room is refused with the limit, and changes nothing', () => {
  const full = (limit: string) => (error: unknown) => error instanceof RecordLimitError && error.limit === limit;
  const few = new RecordTable({ maxRecords: 2 });
  few.set('a', 1).set('b', 2).set('a', 3);
  assert.throws(() => few.set('c', 4), full('maxRecords'));
  assert.throws(() => few.setJson('c', Buffer.from('4')), /holds 2 records, the limit maxRecords is 2/);
  few.delete('b');
  few.set('c', 4);
  assert.deepEqual([few.get('a'), few.get('b'), few.get('c'), few.size], [3, undefined, 4, 2]);

  const short = new RecordTable({ maxRecordBytes: 10 });
  short.set('key', '12345');
  assert.throws(() => short.set('key', '123456'), full('maxRecordBytes'));
  assert.equal(short.get('key'), '12345');

  const small = new RecordTable({ maxBytes: 1_000_000 });
  let count = 0;
  const fill = (): void => {
    for (count = small.size; ; count++) small.set(`key${count}`, 'x'.repeat((count * 37) % 3000));
  };
  assert.throws(fill, full('maxBytes'));
  assert.ok(small.usedBytes <= 1_000_000 && small.usedBytes > 990_000, `${small.usedBytes} are used`);
  assert.ok(small.heldBytes < 1_300_000, `${small.heldBytes} are held`);
  const first = count;
  assert.throws(() => small.set('key0', 'x'.repeat(9000)), full('maxBytes'));
  assert.equal(small.get('key0'), '');
  small.set('key80', 'shorter');
  for (let i = 0; i < first; i++) assert.ok(small.delete(`key${i}`));
  assert.equal(small.usedBytes, 0);
  assert.throws(fill, full('maxBytes'));
  assert.equal(count, first);
  small.limits = { maxBytes: 10 };
  small.set('key0', '');
  assert.throws(() => small.set('more', 1), full('maxBytes'));
  small.clear();
  assert.equal(small.usedBytes, 0);
  for (const wrong of [-1, Number.NaN]) {
    assert.throws(() => new RecordTable({ maxBytes: wrong }), { name: 'RangeError', message: /maxBytes is/ });
  }
});

test('used bytes are those of the records that are there, whatever was set, replaced and deleted', () => {
  const table = new RecordTable();
  const fresh = new RecordTable();
  const model = new Map<string, unknown>();
  for (let step = 0; step < 5000; step++) {
    const key = `key${(step * 7919) % 97}`;
    if (step % 5 === 4) {
      table.delete(key);
      model.delete(key);
    } else {
      const value =
        step % 3 === 0 ? { left: secondsLeft(2_000_000_000), text: 'a' } : 'x'.repeat((step * 131) % 20_000);
      table.set(key, value);
      model.set(key, value);
    }
  }
  for (const [key, value] of model) fresh.set(key, value);
  assert.equal(table.usedBytes, fresh.usedBytes);
});
