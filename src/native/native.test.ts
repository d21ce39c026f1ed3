import { expect, test } from 'vitest';
import { coded } from '../base/codes.js';
import { PrettyPrinter, StatisticsTable } from './addon.js';
import { BodyPool } from './bodies.js';
import { ElementField, Outcome, ParamsKind, Reply } from './layout.js';
import { ConstantReply, ReplyWindow, replyHead } from './reply-window.js';
import { BatchReading, elementSize, RequestScanner } from './scanner.js';

const bytes = (text: string) => Buffer.from(text);
const textOf = (view: Uint8Array | undefined) => (view === undefined ? undefined : Buffer.from(view).toString());
const newScanner = () =>
  new RequestScanner(
    new Map([
      ['ps', 3],
      ['get_statistics', 7],
    ]),
    1000,
  );

test('a scan tells where the parts of a call lie', () => {
  const scanner = newScanner();
  const body = ' {"jsonrpc":"2.0","method":"get_statistics","params":[["all"],{"é":1}],"id":"x"} ';
  expect(scanner.scan(bytes(body))).toBe(Outcome.call);
  expect(scanner.command).toBe(7);
  expect(scanner.paramsKind).toBe(ParamsKind.array);
  expect(scanner.paramsCount).toBe(2);
  const part = (start: number, end: number) => bytes(body).subarray(start, end).toString();
  expect(part(scanner.paramsStart, scanner.paramsEnd)).toBe('[["all"],{"é":1}]');
  expect(part(scanner.methodStart, scanner.methodEnd)).toBe('"get_statistics"');
  expect(scanner.reason()).toBe('');
  expect(scanner.position).toBe(0);
});

test('kinds of params', () => {
  const scanner = newScanner();
  for (const [params, kind, count] of [
    ['[]', ParamsKind.none, 0],
    ['{ }', ParamsKind.none, 0],
    ['[null]', ParamsKind.array, 1],
    ['{"a":1,"a":2}', ParamsKind.object, 2],
  ] as const) {
    const outcome = scanner.scan(bytes(`{"jsonrpc":"2.0","method":"nope","params":${params}}`));
    expect([outcome, scanner.command, scanner.paramsKind, scanner.paramsCount]).toStrictEqual([
      Outcome.notification,
      -1,
      kind,
      count,
    ]);
  }
});

test('refusals say why, and keep an id that can be echoed', () => {
  const scanner = newScanner();
  expect(scanner.scan(bytes('{"jsonrpc":"2.0" "id":1}'))).toBe(Outcome.parseError);
  expect(scanner.reason()).toBe("expected ',' or '}' at byte 17");
  expect([scanner.position, scanner.idSlot]).toStrictEqual([17, -1]);
  expect(scanner.scan(new Uint8Array(0))).toBe(Outcome.parseError);
  expect(scanner.scan(bytes('{"jsonrpc":"1.0","id":9007199254740993}'))).toBe(Outcome.invalidRequest);
  expect(scanner.reason()).toBe('member "jsonrpc" must be the string "2.0"');
  expect(textOf(scanner.tail(scanner.hold(scanner.idSlot)))).toBe(',"id":9007199254740993}');
  expect(scanner.idsHeld).toBe(0);
});

test('a batch is read whole, then element by element', () => {
  const scanner = newScanner();
  const read = (body: Uint8Array, limit: number): [number, BatchReading] => {
    const reading = new BatchReading();
    return [scanner.readBatch(body, limit, reading, body.length), reading];
  };
  const body = bytes(' [{"jsonrpc":"2.0","method":"ps","params":[1],"id":"x"} , 7,{"jsonrpc":"2.0","method":"é"}]');
  expect(scanner.scan(body)).toBe(Outcome.batch);
  const [outcome, reading] = read(body, 3);
  expect([outcome, reading.elements, reading.replies]).toStrictEqual([Outcome.batch, 3, 2]);
  const elements = new Int32Array(3 * elementSize);
  const behind = scanner.scanElements(body, reading.start, 2, elements);
  expect(scanner.scanElements(body, behind, 1, elements.subarray(2 * elementSize))).toBe(body.length - 1);
  const found = [0, 1, 2].map((n) => {
    const of = (field: number) => elements[n * elementSize + field] ?? -1;
    const text = (start: number, end: number) => body.toString('utf8', of(start), of(end));
    return [
      [of(ElementField.outcome), of(ElementField.command), of(ElementField.paramsCount)],
      [text(ElementField.paramsStart, ElementField.paramsEnd), text(ElementField.idStart, ElementField.idEnd)],
      text(ElementField.methodStart, ElementField.methodEnd),
      scanner.reasonOfElement(body, of(ElementField.start)),
    ];
  });
  expect(found).toStrictEqual([
    [[Outcome.call, 3, 1], ['[1]', '"x"'], '"ps"', ''],
    [[Outcome.invalidRequest, -1, 0], ['', ''], '', 'a request must be an object'],
    [[Outcome.notification, -1, 0], ['', ''], '"é"', ''],
  ]);
  const idStart = body.indexOf('"x"');
  expect(textOf(scanner.tail(scanner.holdId(body, idStart, idStart + 3)))).toBe(',"id":"x"}');
  expect(read(body, 2)[0]).toBe(Outcome.invalidRequest);
  expect(scanner.reason()).toMatch(/more than 2 requests.*max_batch/);
  expect(read(bytes('[1,2'), 3)[0]).toBe(Outcome.parseError);
  expect(scanner.reason()).toMatch(/at byte 4/);
  expect(scanner.idsHeld).toBe(0);
});

test('a batch is read in as many parts as one likes', () => {
  const scanner = newScanner();
  const body = bytes('[{"jsonrpc":"2.0","method":"ps","id":1}, {"id":2} ,[[]],"é" ]');
  const reading = new BatchReading();
  const positions: number[] = [];
  while (scanner.readBatch(body, 4, reading, 0) === Outcome.batchGoesOn) positions.push(reading.position);
  const begun = positions.map((position) => body.toString('utf8', position, position + 3));
  expect(begun).toStrictEqual(['{"i', '[[]', '"é']);
  expect([reading.elements, reading.replies]).toStrictEqual([4, 4]);
});

test('replies to elements of a batch are written at once', () => {
  const scanner = newScanner();
  const body = bytes('[{"id":"x"}]');
  const slot = scanner.holdId(bytes('"held"'), 0, 6);
  const texts = bytes('"é😀"1');
  const fields = Int32Array.of(Reply.result, 8, 7, 10, Reply.error, 1, slot, 0);
  const expected = ',{"jsonrpc":"2.0","result":"é😀","id":"x"},{"jsonrpc":"2.0","error":1,"id":"held"}';
  const window = Buffer.alloc(200);
  const print = (size: number) =>
    scanner.printReplies(window.subarray(0, size), 1, fields, 2, texts, texts.length, body);
  expect(print(Buffer.byteLength(expected))).toBe(-1);
  expect(scanner.idsHeld).toBe(1);
  const end = print(200);
  expect(window.toString('utf8', 1, end)).toBe(expected);
  expect(scanner.idsHeld).toBe(0);
});

test('ids are echoed as they came, in any order of replies', () => {
  const scanner = newScanner();
  const window = new ReplyWindow(4096, false);
  const ids = ['1', '-0', '1e400', '1.50', '"a\\u0041\\ud83d\\ude00"', '"é😀"', `"${'x'.repeat(1000)}"`, 'null'];
  const slots = ids.map((id) => {
    expect(scanner.scan(bytes(`{"id": ${id} ,"jsonrpc":"2.0","method":"ps"}`))).toBe(Outcome.call);
    return scanner.hold(scanner.idSlot);
  });
  expect(scanner.idsHeld).toBe(ids.length - 1);
  for (const [index, id] of [...ids.entries()].reverse()) {
    const slot = slots[index] ?? -1;
    expect(textOf(window.print(scanner, Reply.result, '"OK"', slot))).toBe(
      `{"jsonrpc":"2.0","result":"OK","id":${id}}`,
    );
  }
  expect(scanner.idsHeld).toBe(0);
});

test('a slot given back twice does not touch its next user', () => {
  const scanner = newScanner();
  const body = bytes('{"jsonrpc":"2.0","method":"ps","id":"first"}');
  scanner.scan(body);
  const first = scanner.hold(scanner.idSlot);
  scanner.release(first);
  scanner.scan(bytes('{"jsonrpc":"2.0","method":"ps","id":"second"}'));
  const second = scanner.hold(scanner.idSlot);
  scanner.release(first);
  scanner.release(-1);
  expect(scanner.idsHeld).toBe(1);
  expect(textOf(scanner.tail(first))).toBe(',"id":null}');
  expect(textOf(scanner.tail(second))).toBe(',"id":"second"}');
});

test('a short id takes no slot until it is held, and lasts until the next scan', () => {
  const scanner = newScanner();
  const window = new ReplyWindow(4096, false);
  const constant = new ConstantReply('"OK"');
  const request = (id: string) => bytes(`{"jsonrpc":"2.0","method":"ps","id":${id}}`);
  for (const length of [1, 2, 3, 4, 5, 63, 64, 65]) {
    const id = '7'.repeat(length);
    const whole = `{"jsonrpc":"2.0","result":"OK","id":${id}}`;
    for (const body of [request(id), Uint8Array.from(request(id)).buffer]) {
      scanner.scan(body);
      expect(scanner.idsHeld).toBe(length > 64 ? 1 : 0);
      expect(textOf(constant.print(scanner, scanner.idSlot))).toBe(length > 64 ? undefined : whole);
      expect(textOf(window.print(scanner, Reply.result, '"OK"', scanner.idSlot))).toBe(whole);
      expect(textOf(window.print(scanner, Reply.error, '1', scanner.idSlot))).toBe(
        length > 64 ? '{"jsonrpc":"2.0","error":1,"id":null}' : `{"jsonrpc":"2.0","error":1,"id":${id}}`,
      );
      expect(scanner.idsHeld).toBe(0);
    }
  }
  scanner.scan(request('"ä"'));
  const held = scanner.hold(scanner.idSlot);
  scanner.scan(request('2'));
  expect(textOf(scanner.tail(held))).toBe(',"id":"ä"}');
  expect(textOf(constant.print(scanner, scanner.idSlot))).toBe('{"jsonrpc":"2.0","result":"OK","id":2}');
});

test('a reply fits a window of its size exactly, or leaves the id held', () => {
  for (const [pretty, value, whole] of [
    [false, '"é✓😀"', '{"jsonrpc":"2.0","error":"é✓😀","id":12}'],
    [true, '["é",{}]', '{\n\t"jsonrpc":\t"2.0",\n\t"error":\t["é", {\n\t\t}],\n\t"id":\t12\n}'],
  ] as const) {
    const length = Buffer.byteLength(whole);
    for (let size = 0; size <= length + 1; size++) {
      const scanner = newScanner();
      scanner.scan(bytes('{"jsonrpc":"2.0","method":"ps","id":12}'));
      const reply = textOf(new ReplyWindow(size, pretty).print(scanner, Reply.error, value, scanner.idSlot));
      expect(reply, `window of ${size}`).toBe(size < length ? undefined : whole);
      expect(scanner.idsHeld).toBe(0);
      if (size < length) expect(textOf(scanner.tail(scanner.hold(scanner.idSlot)))).toBe(',"id":12}');
    }
  }
});

test('a lone surrogate never becomes invalid UTF-8', () => {
  const reply = new ReplyWindow(100, false).print(newScanner(), Reply.result, '"\ud800"', -1);
  expect(textOf(reply)).toBe('{"jsonrpc":"2.0","result":"\ufffd","id":null}');
});

test('heads and tails frame what a window is too small for', () => {
  const scanner = newScanner();
  scanner.scan(bytes('{"jsonrpc":"2.0","method":"ps","id":[]}'));
  const parts = [replyHead(Reply.result), bytes('[1,2]'), scanner.tail(scanner.idSlot)];
  expect(Buffer.concat(parts).toString()).toBe('{"jsonrpc":"2.0","result":[1,2],"id":null}');
});

test('statistics are printed from their slots, as JSON.stringify would', () => {
  const table = new StatisticsTable(4);
  const window = new ReplyWindow(200, false);
  const scanner = newScanner();
  for (const name of ['core:a', 'core:b', 'x:"é"']) table.add(name);
  table.values.set([17, -0.1, Number.NaN]);
  const selection = Uint32Array.of(2, 0, 1);
  const expected = JSON.stringify({ 'x:"é"': Number.NaN, 'core:a': 17, 'core:b': -0.1 });
  expect(textOf(table.printText(selection))).toBe(expected);
  const reply = window.printStatistics(scanner, table, selection, -1);
  expect(textOf(reply)).toBe(`{"jsonrpc":"2.0","result":${expected},"id":null}`);
  expect(new ReplyWindow(60, false).printStatistics(scanner, table, selection, -1)).toBe(undefined);
  expect(textOf(table.printText(new Uint32Array(0)))).toBe('{}');
});

test('a full table of statistics says so', () => {
  const table = new StatisticsTable(1);
  expect(table.add('core:a')).toBe(0);
  expect(() => table.add('core:b')).toThrow(
    coded('ERR_STATISTIC', new RangeError('statistic core:b is one more than the 1 a table was made for')),
  );
});

test('the indenting printer takes and gives pieces of any size', () => {
  const value = { a: [{ b: 'x'.repeat(100) }, [], {}], c: { d: null, 'e\n"': '\\' } };
  const text = bytes(JSON.stringify(value));
  const whole = (input: number, output: number) => {
    const printer = new PrettyPrinter();
    const window = Buffer.alloc(output);
    const chunks: Buffer[] = [];
    for (let from = 0; from < text.length; from += printer.consumed) {
      printer.push(text.subarray(from, from + input), window);
      expect(printer.consumed + printer.produced).toBeGreaterThan(0);
      chunks.push(Buffer.from(window.subarray(0, printer.produced)));
    }
    return Buffer.concat(chunks).toString();
  };
  const expected = whole(text.length, 4096);
  expect(JSON.parse(expected)).toStrictEqual(value);
  expect(expected).toMatch(/^\{\n\t"a":\t\[\{\n\t\t\t"b":\t"x+"\n\t\t\}, \[\], \{\n\t\t\}\],\n\t"c":\t\{\n/);
  for (const [input, output] of [
    [1, 64],
    [3, 65],
    [1000, 64],
  ] as const) {
    expect(whole(input, output)).toBe(expected);
  }
});

test('bodies are joined, within the limit of one and of all', () => {
  const pool = new BodyPool(8, 10, 15);
  const first = pool.open();
  const second = pool.open();
  expect(pool.push(first, bytes('01234'))).toBe(0);
  expect(pool.push(first, bytes('56789'))).toBe(0);
  expect(pool.push(first, bytes('x'))).toBe(1);
  expect(pool.push(second, bytes('abcdef'))).toBe(2);
  expect(pool.push(second, bytes('abcde'))).toBe(0);
  expect([pool.slotsInUse, pool.bytesHeld]).toStrictEqual([2, 15]);
  const body = pool.take(first);
  pool.free(second);
  expect([pool.slotsInUse, pool.bytesHeld]).toStrictEqual([0, 0]);
  const third = pool.open();
  pool.push(third, bytes('zzzzzzzzzz'));
  expect(textOf(body)).toBe('0123456789');
});

test('a body is lent in memory that is used again', () => {
  const pool = new BodyPool(8, 3 << 20, 4 << 20);
  const lend = (size: number, byte: string): Uint8Array => {
    const slot = pool.open();
    expect(pool.push(slot, bytes(byte))).toBe(0);
    expect(pool.push(slot, Buffer.alloc(size - 1, byte))).toBe(0);
    const lent = pool.lend(slot);
    expect(textOf(lent)).toBe(byte.repeat(size));
    expect([pool.slotsInUse, pool.bytesHeld]).toStrictEqual([0, 0]);
    return lent;
  };
  const first = lend(1000, 'a');
  const second = lend(900, 'b');
  expect(first.buffer).toBe(second.buffer);
  const largest = lend(1 << 20, 'c');
  expect(lend(5000, 'd').buffer).toBe(largest.buffer);
  // A larger one is handed over.
  const own = lend(2 << 20, 'e');
  lend(10, 'f');
  expect(own[0]).toBe('e'.charCodeAt(0));
  expect(pool.lend(-1).length).toBe(0);
});

test('slots of bodies that are not open take and give nothing', () => {
  const pool = new BodyPool(8, 10, 15);
  const stale = pool.open();
  pool.free(stale);
  const current = pool.open();
  pool.push(current, bytes('kept'));
  for (const slot of [stale, -1, 12345]) {
    expect(pool.push(slot, bytes('x'))).toBe(2);
    expect(pool.take(slot).length).toBe(0);
    pool.free(slot);
  }
  expect(textOf(pool.take(current))).toBe('kept');
  expect(pool.slotsInUse).toBe(0);
});

test('arguments of a wrong type are errors, not crashes', () => {
  const scanner = newScanner();
  expect(() => scanner.scan('{}' as unknown as Uint8Array)).toThrow(expect.objectContaining({ code: 'InvalidArg' }));
  expect(() => scanner.scan(new Uint16Array(4) as unknown as Uint8Array)).toThrow(Error);
  expect(() => scanner.tail('x' as unknown as number)).toThrow(Error);
  expect(scanner.scan(bytes('{}'))).toBe(Outcome.invalidRequest);
});
