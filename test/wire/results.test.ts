import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { expect } from 'vitest';
import { command, defineModule, type JsonValue } from '#src/index.js';
import { post } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import { test } from '../support/test.js';

/** A server whose command `result:give` gives whatever the test puts into `box`. */
function giver() {
  const box: { value: JsonValue } = { value: null };
  const give = command({ name: 'give', help: 'Gives a value.', run: () => box.value });
  return { box, module: defineModule({ name: 'result', commands: [give] }) };
}

const ask = '{"jsonrpc":"2.0","method":"result:give","id":1}';
const framed = (text: string): string => `{"jsonrpc":"2.0","result":${text},"id":1}`;

test('values are printed exactly', async ({ startServer }) => {
  const { box, module } = giver();
  const server = await startServer({ modules: [module] });
  const vectors: readonly (readonly [JsonValue, string])[] = [
    [null, 'null'],
    [true, 'true'],
    ['OK', '"OK"'],
    ['', '""'],
    [{}, '{}'],
    [[], '[]'],
    [0, '0'],
    [-0, '0'],
    [4294967296, '4294967296'],
    [-2147483649, '-2147483649'],
    [9007199254740991, '9007199254740991'],
    [18446744073709551615n, '18446744073709551615'],
    [{ id: 2n ** 100n, list: [1n, { x: undefined, y: -1n }] }, `{"id":${2n ** 100n},"list":[1,{"y":-1}]}`],
    [0.1, '0.1'],
    [1e-7, '1e-7'],
    [Number.NaN, 'null'],
    [Number.POSITIVE_INFINITY, 'null'],
    ['"\\/\b\f\n\r\t\u0001\u001f\u007fé日😀', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007fé日😀"'],
    ['a\ud800\\ud800', '"a\ufffd\\\\ud800"'],
    [{ '\udc00': '\ude00' }, '{"\ufffd":"\ufffd"}'],
  ];
  for (const [value, text] of vectors) {
    box.value = value;
    expect((await post(server, ask)).body).toBe(framed(text));
  }
});

test('any value survives, in windows of any size, compact and pretty', async ({ startServer }) => {
  for (const buf_size of [1024, 65536, 0]) {
    for (const pretty_printing of [0, 1]) {
      const { box, module } = giver();
      const server = await startServer({ httpd: { buf_size }, mi_http: { pretty_printing }, modules: [module] });
      await holds(
        fc.asyncProperty(fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }), async (value) => {
          box.value = value as JsonValue;
          const { status, body } = await post(server, ask);
          expect(status).toBe(200);
          expect(JSON.parse(body)).toStrictEqual({ jsonrpc: '2.0', result: wellFormed(value), id: 1 });
        }),
        { runs: 60 },
      );
    }
  }
});

test('a result many times the window is streamed whole', async ({ startServer }) => {
  for (const pretty_printing of [0, 1]) {
    const { box, module } = giver();
    const server = await startServer({ httpd: { buf_size: 4096 }, mi_http: { pretty_printing }, modules: [module] });
    const rows = Array.from({ length: 40_000 }, (_, index) => ({ aor: `žofia😀${index}`, contacts: [index, 'sip:x'] }));
    box.value = rows;
    const { status, headers, body } = await post(server, ask);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toStrictEqual({ jsonrpc: '2.0', result: rows, id: 1 });
    if (pretty_printing === 0) expect(body).toBe(framed(JSON.stringify(rows)));
    // Indented, its length is not known before.
    if (pretty_printing === 1) expect(headers['transfer-encoding']).toBe('chunked');
    else expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
    box.value = rows.slice(0, 1000);
    const counted = await post(server, ask);
    expect(JSON.parse(counted.body).result.length).toBe(1000);
    if (pretty_printing === 0) expect(counted.headers['content-length']).toBe(String(Buffer.byteLength(counted.body)));
  }
});

test('an id larger than the window is echoed', async ({ startServer }) => {
  const server = await startServer({ httpd: { buf_size: 1024 } });
  const id = `"${'i'.repeat(5000)}"`;
  const { body } = await post(server, `{"jsonrpc":"2.0","method":"uptime","id":${id}}`);
  expect(body.endsWith(`,"id":${id}}`)).toBe(true);
  expect((await post(server, `{"jsonrpc":"2.0","method":"nope","id":${id}}`)).body).toMatch(/-32601/);
});

test('pretty printing is that of OpenSIPS', async ({ startServer }) => {
  const { box, module } = giver();
  const server = await startServer({ mi_http: { pretty_printing: 1 }, modules: [module] });
  const head = '{\n\t"jsonrpc":\t"2.0",\n';
  const tail = ',\n\t"id":\t1\n}';
  const vectors: readonly (readonly [JsonValue, string])[] = [
    ['OK', '"OK"'],
    [{ Connections: [] }, '{\n\t\t"Connections":\t[]\n\t}'],
    [{}, '{\n\t}'],
    [['a', 'b', 1], '["a", "b", 1]'],
    [
      [
        { http_root: 'metrics', module: 'prometheus' },
        { http_root: 'mi', module: 'mi_http' },
      ],
      '[{\n\t\t\t"http_root":\t"metrics",\n\t\t\t"module":\t"prometheus"\n\t\t}, {\n\t\t\t"http_root":\t"mi",\n\t\t\t"module":\t"mi_http"\n\t\t}]',
    ],
  ];
  for (const [value, text] of vectors) {
    box.value = value;
    expect((await post(server, ask)).body).toBe(`${head}\t"result":\t${text}${tail}`);
  }
  const error = await post(server, '{"jsonrpc":"2.0","method":"result:give","params":[1],"id":1}');
  expect(error.body).toMatch(
    /^\{\n\t"jsonrpc":\t"2\.0",\n\t"error":\t\{\n\t\t"code":\t-32602,\n\t\t"message":\t"Invalid params"/,
  );
});

test('a large reply to a client that waits is not disturbed by the next one', async ({ startServer }) => {
  const { box, module } = giver();
  const server = await startServer({ httpd: { buf_size: 33_554_432 }, modules: [module] });
  // More than the kernel takes for a client that does not read.
  const text = 'slow'.repeat(4_000_000);
  box.value = text;
  const socket = connect(server.port, '127.0.0.1');
  socket.write(
    `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${ask.length}\r\n\r\n${ask}`,
  );
  await once(socket, 'readable');
  box.value = 'fast'.repeat(4_000_000);
  const fast = await post(server, ask);
  expect(fast.body.length).toBe(framed(JSON.stringify(text)).length);
  let received = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    received += piece;
    if (received.endsWith('"id":1}')) socket.end();
  });
  await once(socket, 'close');
  expect(received.endsWith(framed(JSON.stringify(text)))).toBe(true);
});

/** What JSON carries of a value, with U+FFFD for half of a surrogate pair. */
function wellFormed(value: unknown): unknown {
  const bytes = Buffer.from(
    JSON.stringify(value, (_name, one) => (typeof one === 'string' ? `${Buffer.from(one)}` : one)),
  );
  return JSON.parse(bytes.toString());
}
