import { assert, expect, test } from 'vitest';
import { start, stopClock } from '../../../test/support/usrloc-service.js';
import { currentSecond } from '../../base/clock.js';
import { type DumpCursor, RecordLimitError, RecordTable, TableDump } from './record-table.js';
import { printParts } from './result.js';
import { nonce, secondsLeft } from './seconds-left.js';

const bytes = (text: string) => Buffer.from(text);
const textOf = (view: Uint8Array | undefined) => (view === undefined ? undefined : Buffer.from(view).toString());

/** The text that a dump prints from here on, through a window of that size. */
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
  expect([table.size, table.bytes, table.get('a'), table.has('a'), table.delete('a')]).toStrictEqual([
    0,
    0,
    undefined,
    false,
    false,
  ]);
  table.set('a', { name: 'ä€😀', list: [1, null, 'x'] }).set('', { name: '' });
  expect(table.get('a')).toStrictEqual({ name: 'ä€😀', list: [1, null, 'x'] });
  expect(table.get('')).toStrictEqual({ name: '' });
  expect(table.size).toBe(2);
  table.set('a', { name: 'b' });
  expect(textOf(table.getJson('a'))).toBe('{"name":"b"}');
  expect(table.bytes).toBe(1 + '{"name":"b"}'.length + '{"name":""}'.length);
  expect([table.delete('a'), table.has('a'), table.has(''), table.size]).toStrictEqual([true, false, true, 1]);
  table.clear();
  expect([table.size, table.bytes, [...table.keys()]]).toStrictEqual([0, 0, []]);
});

test("bytes that were got are the caller's own", () => {
  const table = new RecordTable<string>().set('a', 'one').set('b', 'two');
  const [a, b] = [table.getJson('a'), table.getJson('b')];
  table.set('a', 'six');
  expect([textOf(a), textOf(b), table.get('a')]).toStrictEqual(['"one"', '"two"', 'six']);
});

test('JSON texts are validated and kept as they are, without blanks', () => {
  const table = new RecordTable();
  table.setJson('k', bytes(' { "a" : [ 1.50e+3 ,\n18446744073709551616, " \\u0041 " ] ,"a":1} '));
  expect(textOf(table.getJson('k'))).toBe('{"a":[1.50e+3,18446744073709551616," \\u0041 "],"a":1}');
  for (const text of ['', ' ', '[1,]', '1 2', '"\n"', '"']) {
    expect(() => table.setJson('k', bytes(text))).toThrow(
      expect.objectContaining({
        name: 'Error',
        message: expect.stringMatching(/^record is not JSON: .* at byte \d+$/),
      }),
    );
  }
  expect(() => table.setJson('k', new Uint8Array([0x22, 0xff, 0x22]))).toThrow(/invalid UTF-8 at byte 1/);
  expect(table.bytes).toBe(1 + '{"a":[1.50e+3,18446744073709551616," \\u0041 "],"a":1}'.length);
});

test('integers beyond 2^53 are kept exactly', () => {
  const table = new RecordTable().set('k', { id: 18446744073709551615n, left: secondsLeft(0) });
  expect(textOf(table.getJson('k'))).toBe('{"id":18446744073709551615,"left":0}');
});

test('records and keys of any length', () => {
  const table = new RecordTable<{ text: string; left: number }>();
  const longKey = 'é'.repeat(32_767);
  for (const length of [100, 8_000, 8_200, 60_000, 131_072, 3_000_000]) {
    const text = '€'.repeat(length);
    table.set(longKey, { text, left: secondsLeft(currentSecond() + 1000) });
    expect(table.get(longKey)?.text).toBe(text);
    expect(JSON.parse(rest(table.dump().open(), 1000))[0].text).toBe(text);
    table.setJson('k', bytes(JSON.stringify({ text })));
    expect(table.get('k')?.text).toBe(text);
  }
  expect([...table.keys()]).toStrictEqual([longKey, 'k']);
  expect(() => table.set('k'.repeat(65_536), { text: '', left: 0 })).toThrow(
    /key of 65536 bytes is longer than the 65535/,
  );
  expect([table.has('k'.repeat(1_000_000)), table.get('é'.repeat(100_000))]).toStrictEqual([false, undefined]);
});

test('what cannot be a record is refused and changes nothing', () => {
  const table = new RecordTable().set('k', 1);
  const circle: unknown[] = [];
  circle.push(circle);
  for (const [value, error] of [
    [undefined, /record "k" is set to a undefined, which JSON does not have/],
    [() => 1, /set to a function/],
    [circle, RangeError],
    [new Map([[1, 2]]), /result holds a Map, which JSON does not have/],
    [{ toJSON: () => new Map([[1, 2]]) }, /result holds a Map, which JSON does not have/],
    [{ a: [{ toJSON: () => ({ b: new Set([1]) }) }] }, /result holds a Set at \.a\[0\]\.b, which JSON does not have/],
  ] as const) {
    expect(() => table.set('k', value)).toThrow(error);
  }
  expect(() => table.set('\ud800', 1)).toThrow(/key "\\ud800" has half of a surrogate pair/);
  expect(() => table.get('a\udc00')).toThrow(TypeError);
  expect(() => table.set('k', 2, { deadline: Number.NaN })).toThrow(/deadline is not a number/);
  expect([table.get('k'), table.size]).toStrictEqual([1, 1]);
  for (const empty of [{}, { a: {}, b: '{}' }, { a: { toJSON: () => ({}) } }]) {
    table.set('k', empty);
    expect(table.get('k')).toStrictEqual(JSON.parse(JSON.stringify(empty)));
  }
  table.set('k', '\ud800');
  expect(table.get('k')).toBe('\ufffd');
  for (const half of ['\\ud800', '\\uDC00\\ud800', '\\ud800\\\\udc00']) {
    expect(() => table.setJson('k', Buffer.from(`"${half}"`))).toThrow(/half of a surrogate pair/);
  }
  table.setJson('k', Buffer.from('"\\\\ud800 \\ud83d\\ude00"'));
  expect(table.get('k')).toBe('\\ud800 😀');
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
  expect(at(990)).toBe('[{"Expires":10,"other":{"deep":[null,17,0]}},{"Expires":"permanent"},{"Expires":"over"}]');
  expect(at(1000)).toBe(
    '[{"Expires":"exp\\"ired","other":{"deep":[null,7,0]}},{"Expires":"permanent"},{"Expires":"over"}]',
  );
  expect(table.get('a')).toStrictEqual({ Expires: 'exp"ired', other: { deep: [null, 0, 0] } });
  expect(table.dump().open().length).toBe(undefined);
  for (const time of [-1, 0.5, 2 ** 48, Number.NaN]) expect(() => secondsLeft(time)).toThrow(RangeError);
});

test('a dump reads the clock once', (context) => {
  const clock = stopClock(context);
  const table = new RecordTable<number>();
  for (let index = 0; index < 10; index += 1) table.set(`k${index}`, secondsLeft(start + 10));
  const cursor = table.dump().open();
  const window = new Uint8Array(8);
  const length = cursor.fill(window);
  clock.advance(5);
  expect(Buffer.from(window.subarray(0, length)).toString() + rest(cursor)).toBe(`[${'10,'.repeat(9)}10]`);
  expect(table.get('k0')).toBe(5);
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
    expect(table.get('before')).toBe(3600);
    expect(table.set('after', secondsLeft(date + 3600)).get('after')).toBe(3600);
    expect(table.set('over', secondsLeft(1)).get('over')).toBe(0);
  }
  clock.advance(10);
  expect([table.get('before'), table.get('after')]).toStrictEqual([3590, 3590]);
});

test('no text of a user is taken for seconds left', () => {
  const table = new RecordTable();
  const value = { nonce: `${nonce}0.5`, quoted: `"${nonce}0.5"`, [`${nonce}0.7`]: 1 };
  expect(table.set('k', value).get('k')).toStrictEqual(value);
  const guess = 'A'.repeat(nonce.length);
  table.set('k', { guess: `${guess}0.5`, left: secondsLeft(1) });
  expect(table.get('k')).toStrictEqual({ guess: `${guess}0.5`, left: 0 });
});

test('markers do not leave the table', () => {
  const left = secondsLeft(currentSecond() + 1000);
  expect(JSON.stringify({ left })).toMatch(/^\{"left":(1000|999)\}$/);
  const table = new RecordTable();
  const early = { toJSON: () => JSON.stringify({ left }) };
  expect(() => table.set('k', { early })).toThrow(/depends on time was turned into a text before/);
  const other = new RecordTable<number>();
  const nested = { toJSON: () => other.set('n', left).get('n') };
  table.set('k', [left, nested, left]);
  expect(textOf(table.getJson('k')) ?? '').toMatch(/^\[(1000|999),(1000|999),(1000|999)\]$/);
});

test('dumps of keys', () => {
  const table = new RecordTable<number>().setMany([
    ['alice', 1],
    ['b"o\\b\n', secondsLeft(7)],
  ]);
  expect(rest(table.dump({ as: 'keys' }).open())).toBe('["alice","b\\"o\\\\b\\n"]');
  expect(rest(table.dump({ as: 'keys', member: 'AOR' }).open(), 3)).toBe('[{"AOR":"alice"},{"AOR":"b\\"o\\\\b\\n"}]');
  expect(() => table.dump({ member: 'AOR' })).toThrow(/dump of records has a member name "AOR"/);
  expect(table.dump({ as: 'keys' }).open().length).toBe(undefined);
});

test('dumps are filled to the end of every window but the last', () => {
  const table = new RecordTable<string>();
  for (let index = 0; index < 100; index += 1) table.set(`k${index}`, 'x'.repeat(index));
  const cursor = table.dump().open();
  const length = cursor.length ?? -1;
  const window = new Uint8Array(99);
  let sum = 0;
  for (let filled = 99; filled === 99; sum += filled) filled = cursor.fill(window);
  expect(sum).toBe(length);
  expect([cursor.fill(window), cursor.fill(window)]).toStrictEqual([0, 0]);
  expect(() => cursor.fill(new Uint8Array(0))).toThrow(/buffer of 0 bytes/);
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
    expect(JSON.parse(Buffer.from(window).toString() + rest(cursor))).toStrictEqual([
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
  expect(first.fill(new Uint8Array(9))).toBe(0);
  expect(rest(second)).toBe('[1]');
  // The table's numbers of dumps begin anew after 2048.
  for (let index = 0; index < 2046; index += 1) table.dump().open().release();
  const later = table.dump().open();
  first.release();
  expect(first.fill(new Uint8Array(9))).toBe(0);
  expect(rest(later)).toBe('[1]');
});

test('a dump outside of a reply is an array of its records', () => {
  const table = new RecordTable<{ a: string }>().set('k', { a: '€' });
  assert(table.dump() instanceof TableDump);
  expect(JSON.stringify({ list: table.dump(), none: new RecordTable().dump() })).toBe('{"list":[{"a":"€"}],"none":[]}');
});

test('a dump in a record is stored whole, also while a reply is printed', () => {
  const inner = new RecordTable<number>().set('a', 1);
  const table = new RecordTable();
  const lazy = { toJSON: () => table.set('k', { dump: inner.dump() }).get('k') };
  expect(printParts({ lazy })).toBe('{"lazy":{"dump":[1]}}');
  expect(textOf(table.getJson('k'))).toBe('{"dump":[1]}');
});

test('keys can be walked while the table changes', () => {
  const table = new RecordTable<number>();
  const count = 20_000;
  for (let index = 0; index < count; index += 1) table.set(`key number ${index}`, index);
  const seen = new Set<string>();
  for (const key of table.keys()) {
    expect(seen.has(key)).toBe(false);
    seen.add(key);
    table.delete(key);
    table.set(key, 1);
  }
  expect(seen.size).toBe(count);
  expect(table.size).toBe(count);
  const before = table.keys();
  before.next();
  table.clear();
  expect(before.next().done, 'keys that are deleted before their turn are left out').toBe(true);
});

test('deadlines are found in batches', () => {
  const table = new RecordTable<number>();
  for (let index = 0; index < 30_000; index += 1) table.set(`${index}`, index, { deadline: index });
  table.set('100', 1).set('101', 1, { deadline: 1e9 });
  const batches = [...table.due(110)];
  expect(batches.length).toBe(4);
  const expected = Array.from({ length: 111 }, (_, index) => `${index}`).filter(
    (key) => key !== '100' && key !== '101',
  );
  expect(batches.flat()).toStrictEqual(expected);
  expect(() => table.due(Number.POSITIVE_INFINITY)).toThrow(RangeError);
});

test('memory that is held is told, and given back', () => {
  const table = new RecordTable<string>();
  for (let index = 0; index < 20_000; index += 1) table.set(`${index}`, 'x'.repeat(400));
  expect(
    table.heldBytes > table.bytes && table.heldBytes < 1.3 * table.bytes,
    `${table.heldBytes} ${table.bytes}`,
  ).toBe(true);
  expect(table.fragmentation > 0 && table.fragmentation < 0.25, `${table.fragmentation}`).toBe(true);
  for (let index = 0; index < 19_900; index += 1) table.delete(`${index}`);
  expect(table.heldBytes, `${table.heldBytes}`).toBeLessThan(1_000_000);
});

test('limits: what has no room is refused with the limit, and changes nothing', () => {
  const full = (limit: string) => (error: unknown) => error instanceof RecordLimitError && error.limit === limit;
  const few = new RecordTable({ maxRecords: 2 });
  few.set('a', 1).set('b', 2).set('a', 3);
  expect(() => few.set('c', 4)).toThrow(expect.toSatisfy(full('maxRecords')));
  expect(() => few.setJson('c', Buffer.from('4'))).toThrow(/holds 2 records, the limit maxRecords is 2/);
  few.delete('b');
  few.set('c', 4);
  expect([few.get('a'), few.get('b'), few.get('c'), few.size]).toStrictEqual([3, undefined, 4, 2]);

  const short = new RecordTable({ maxRecordBytes: 10 });
  short.set('key', '12345');
  expect(() => short.set('key', '123456')).toThrow(expect.toSatisfy(full('maxRecordBytes')));
  expect(short.get('key')).toBe('12345');

  const small = new RecordTable({ maxBytes: 1_000_000 });
  let count = 0;
  const fill = (): void => {
    for (count = small.size; ; count++) small.set(`key${count}`, 'x'.repeat((count * 37) % 3000));
  };
  expect(fill).toThrow(expect.toSatisfy(full('maxBytes')));
  expect(small.usedBytes <= 1_000_000 && small.usedBytes > 990_000, `${small.usedBytes} are used`).toBe(true);
  expect(small.heldBytes, `${small.heldBytes} are held`).toBeLessThan(1_300_000);
  const first = count;
  expect(() => small.set('key0', 'x'.repeat(9000))).toThrow(expect.toSatisfy(full('maxBytes')));
  expect(small.get('key0')).toBe('');
  small.set('key80', 'shorter');
  for (let i = 0; i < first; i++) expect(small.delete(`key${i}`)).toBe(true);
  expect(small.usedBytes).toBe(0);
  expect(fill).toThrow(expect.toSatisfy(full('maxBytes')));
  expect(count).toBe(first);
  small.limits = { maxBytes: 10 };
  small.set('key0', '');
  expect(() => small.set('more', 1)).toThrow(expect.toSatisfy(full('maxBytes')));
  small.clear();
  expect(small.usedBytes).toBe(0);
  for (const wrong of [-1, Number.NaN]) {
    expect(() => new RecordTable({ maxBytes: wrong })).toThrow(
      expect.objectContaining({ name: 'RangeError', message: expect.stringMatching(/maxBytes is/) }),
    );
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
  expect(table.usedBytes).toBe(fresh.usedBytes);
});
