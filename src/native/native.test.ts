import assert from 'node:assert/strict';
import { test } from 'vitest';
import { BodyPool } from './bodies.js';
import { Outcome, ParamsKind, Reply } from './layout.js';
import { PrettyPrinter } from './printers.js';
import { ConstantReply, ReplyWindow, replyHead } from './reply-window.js';
import { RequestScanner } from './scanner.js';
import { StatisticsTable } from './statistics.js';

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
  assert.equal(scanner.scan(bytes(body)), Outcome.call);
  assert.equal(scanner.command, 7);
  assert.equal(scanner.paramsKind, ParamsKind.array);
  assert.equal(scanner.paramsCount, 2);
  const part = (start: number, end: number) => bytes(body).subarray(start, end).toString();
  assert.equal(part(scanner.paramsStart, scanner.paramsEnd), '[["all"],{"é":1}]');
  assert.equal(part(scanner.methodStart, scanner.methodEnd), '"get_statistics"');
  assert.equal(scanner.reason(), '');
  assert.equal(scanner.position, 0);
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
    assert.deepEqual(
      [outcome, scanner.command, scanner.paramsKind, scanner.paramsCount],
      [Outcome.notification, -1, kind, count],
    );
  }
});

test('refusals say why, and keep an id that can be echoed', () => {
  const scanner = newScanner();
  assert.equal(scanner.scan(bytes('{"jsonrpc":"2.0" "id":1}')), Outcome.parseError);
  assert.equal(scanner.reason(), "expected ',' or '}' at byte 17");
  assert.deepEqual([scanner.position, scanner.idSlot], [17, -1]);
  assert.equal(scanner.scan(new Uint8Array(0)), Outcome.parseError);
  assert.equal(scanner.scan(bytes('{"jsonrpc":"1.0","id":9007199254740993}')), Outcome.invalidRequest);
  assert.equal(scanner.reason(), 'member "jsonrpc" must be the string "2.0"');
  assert.equal(textOf(scanner.tail(scanner.hold(scanner.idSlot))), ',"id":9007199254740993}');
  assert.equal(scanner.idsHeld, 0);
});

test('a batch is read whole, then element by element', () => {
  const scanner = newScanner();
  const body = bytes(' [{"jsonrpc":"2.0","method":"ps","params":[1],"id":"x"} , 7,{"jsonrpc":"2.0","method":"é"}]');
  assert.equal(scanner.scan(body), Outcome.batch);
  assert.equal(scanner.scanBatch(body, 3), Outcome.batch);
  assert.deepEqual([scanner.batchElements, scanner.batchReplies], [3, 2]);
  assert.equal(scanner.scanElement(body, scanner.batchStart), Outcome.call);
  assert.deepEqual([scanner.command, scanner.paramsCount], [3, 1]);
  assert.equal(body.toString('utf8', scanner.paramsStart, scanner.paramsEnd), '[1]');
  assert.equal(textOf(scanner.tail(scanner.idSlot)), ',"id":"x"}');
  assert.equal(scanner.scanElement(body, scanner.position), Outcome.invalidRequest);
  assert.equal(scanner.reason(), 'a request must be an object');
  assert.equal(scanner.scanElement(body, scanner.position), Outcome.notification);
  assert.equal(body.toString('utf8', scanner.methodStart, scanner.methodEnd), '"é"');
  assert.equal(scanner.scanBatch(body, 2), Outcome.invalidRequest);
  assert.match(scanner.reason(), /more than 2 requests.*max_batch/);
  assert.equal(scanner.scanBatch(bytes('[1,2'), 3), Outcome.parseError);
  assert.match(scanner.reason(), /at byte 4/);
  assert.equal(scanner.idsHeld, 0);
});

test('ids are echoed as they came, in any order of replies', () => {
  const scanner = newScanner();
  const window = new ReplyWindow(4096, false);
  const ids = ['1', '-0', '1e400', '1.50', '"a\\u0041\\ud83d\\ude00"', '"é😀"', `"${'x'.repeat(1000)}"`, 'null'];
  const slots = ids.map((id) => {
    assert.equal(scanner.scan(bytes(`{"id": ${id} ,"jsonrpc":"2.0","method":"ps"}`)), Outcome.call);
    return scanner.hold(scanner.idSlot);
  });
  assert.equal(scanner.idsHeld, ids.length - 1);
  for (const [index, id] of [...ids.entries()].reverse()) {
    const slot = slots[index] ?? -1;
    assert.equal(
      textOf(window.print(scanner, Reply.result, '"OK"', slot)),
      `{"jsonrpc":"2.0","result":"OK","id":${id}}`,
    );
  }
  assert.equal(scanner.idsHeld, 0);
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
  assert.equal(scanner.idsHeld, 1);
  assert.equal(textOf(scanner.tail(first)), ',"id":null}');
  assert.equal(textOf(scanner.tail(second)), ',"id":"second"}');
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
      assert.equal(scanner.idsHeld, length > 64 ? 1 : 0);
      assert.equal(textOf(constant.print(scanner, scanner.idSlot)), length > 64 ? undefined : whole);
      assert.equal(textOf(window.print(scanner, Reply.result, '"OK"', scanner.idSlot)), whole);
      assert.equal(
        textOf(window.print(scanner, Reply.error, '1', scanner.idSlot)),
        length > 64 ? '{"jsonrpc":"2.0","error":1,"id":null}' : `{"jsonrpc":"2.0","error":1,"id":${id}}`,
      );
      assert.equal(scanner.idsHeld, 0);
    }
  }
  scanner.scan(request('"ä"'));
  const held = scanner.hold(scanner.idSlot);
  scanner.scan(request('2'));
  assert.equal(textOf(scanner.tail(held)), ',"id":"ä"}');
  assert.equal(textOf(constant.print(scanner, scanner.idSlot)), '{"jsonrpc":"2.0","result":"OK","id":2}');
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
      assert.equal(reply, size < length ? undefined : whole, `window of ${size}`);
      assert.equal(scanner.idsHeld, 0);
      if (size < length) assert.equal(textOf(scanner.tail(scanner.hold(scanner.idSlot))), ',"id":12}');
    }
  }
});

test('a lone surrogate never becomes invalid UTF-8', () => {
  const reply = new ReplyWindow(100, false).print(newScanner(), Reply.result, '"\ud800"', -1);
  assert.equal(textOf(reply), '{"jsonrpc":"2.0","result":"\ufffd","id":null}');
});

test('heads and tails frame what a window is too small for', () => {
  const scanner = newScanner();
  scanner.scan(bytes('{"jsonrpc":"2.0","method":"ps","id":[]}'));
  const parts = [replyHead(Reply.result), bytes('[1,2]'), scanner.tail(scanner.idSlot)];
  assert.equal(Buffer.concat(parts).toString(), '{"jsonrpc":"2.0","result":[1,2],"id":null}');
});

test('statistics are printed from their slots, as JSON.stringify would', () => {
  const table = new StatisticsTable(4);
  const window = new ReplyWindow(200, false);
  const scanner = newScanner();
  for (const name of ['core:a', 'core:b', 'x:"é"']) table.add(name);
  table.values.set([17, -0.1, Number.NaN]);
  const selection = Uint32Array.of(2, 0, 1);
  const expected = JSON.stringify({ 'x:"é"': Number.NaN, 'core:a': 17, 'core:b': -0.1 });
  assert.equal(textOf(table.printText(selection)), expected);
  const reply = window.printStatistics(scanner, table, selection, -1);
  assert.equal(textOf(reply), `{"jsonrpc":"2.0","result":${expected},"id":null}`);
  assert.equal(new ReplyWindow(60, false).printStatistics(scanner, table, selection, -1), undefined);
  assert.equal(textOf(table.printText(new Uint32Array(0))), '{}');
});

test('a full table of statistics says so', () => {
  const table = new StatisticsTable(1);
  assert.equal(table.add('core:a'), 0);
  assert.throws(
    () => table.add('core:b'),
    new RangeError('statistic core:b is one more than the 1 a table was made for'),
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
      assert.ok(printer.consumed + printer.produced > 0);
      chunks.push(Buffer.from(window.subarray(0, printer.produced)));
    }
    return Buffer.concat(chunks).toString();
  };
  const expected = whole(text.length, 4096);
  assert.deepEqual(JSON.parse(expected), value);
  assert.match(expected, /^\{\n\t"a":\t\[\{\n\t\t\t"b":\t"x+"\n\t\t\}, \[\], \{\n\t\t\}\],\n\t"c":\t\{\n/);
  for (const [input, output] of [
    [1, 64],
    [3, 65],
    [1000, 64],
  ] as const) {
    assert.equal(whole(input, output), expected);
  }
});

test('bodies are joined, within the limit of one and of all', () => {
  const pool = new BodyPool(8, 10, 15);
  const first = pool.open();
  const second = pool.open();
  assert.equal(pool.push(first, bytes('01234')), 0);
  assert.equal(pool.push(first, bytes('56789')), 0);
  assert.equal(pool.push(first, bytes('x')), 1);
  assert.equal(pool.push(second, bytes('abcdef')), 2);
  assert.equal(pool.push(second, bytes('abcde')), 0);
  assert.deepEqual([pool.slotsInUse, pool.bytesHeld], [2, 15]);
  const body = pool.take(first);
  pool.free(second);
  assert.deepEqual([pool.slotsInUse, pool.bytesHeld], [0, 0]);
  const third = pool.open();
  pool.push(third, bytes('zzzzzzzzzz'));
  assert.equal(textOf(body), '0123456789');
});

test('a body is lent in memory that is used again', () => {
  const pool = new BodyPool(8, 3 << 20, 4 << 20);
  const lend = (size: number, byte: string): Uint8Array => {
    const slot = pool.open();
    assert.equal(pool.push(slot, bytes(byte)), 0);
    assert.equal(pool.push(slot, Buffer.alloc(size - 1, byte)), 0);
    const lent = pool.lend(slot);
    assert.equal(textOf(lent), byte.repeat(size));
    assert.deepEqual([pool.slotsInUse, pool.bytesHeld], [0, 0]);
    return lent;
  };
  const first = lend(1000, 'a');
  const second = lend(900, 'b');
  assert.equal(first.buffer, second.buffer);
  const largest = lend(1 << 20, 'c');
  assert.equal(lend(5000, 'd').buffer, largest.buffer);
  // What is larger is handed over.
  const own = lend(2 << 20, 'e');
  lend(10, 'f');
  assert.equal(own[0], 'e'.charCodeAt(0));
  assert.equal(pool.lend(-1).length, 0);
});

test('slots of bodies that are not open take and give nothing', () => {
  const pool = new BodyPool(8, 10, 15);
  const stale = pool.open();
  pool.free(stale);
  const current = pool.open();
  pool.push(current, bytes('kept'));
  for (const slot of [stale, -1, 12345]) {
    assert.equal(pool.push(slot, bytes('x')), 2);
    assert.equal(pool.take(slot).length, 0);
    pool.free(slot);
  }
  assert.equal(textOf(pool.take(current)), 'kept');
  assert.equal(pool.slotsInUse, 0);
});

test('arguments of a wrong type are errors, not crashes', () => {
  const scanner = newScanner();
  assert.throws(() => scanner.scan('{}' as unknown as Uint8Array), { code: 'InvalidArg' });
  assert.throws(() => scanner.scan(new Uint16Array(4) as unknown as Uint8Array), Error);
  assert.throws(() => scanner.tail('x' as unknown as number), Error);
  assert.equal(scanner.scan(bytes('{}')), Outcome.invalidRequest);
});
