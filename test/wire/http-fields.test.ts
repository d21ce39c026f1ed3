import fc from 'fast-check';
import { assert, expect } from 'vitest';
import { FieldError, parseMultipart, parseQuery, parseUrlencoded } from '#src/http/request/forms.js';
import { root } from '../support/http-server.js';
import { holds } from '../support/property.js';
import { ask } from '../support/raw-client.js';
import { test } from '../support/test.js';

const echoFields = root({
  onRequest: (exchange) => {
    const asked = exchange.header('x-ask');
    const fields = exchange.fields.map(({ name, value }) => [name, value]);
    exchange.reply(
      200,
      JSON.stringify(asked === undefined ? fields : [exchange.argument(asked) ?? null, exchange.arguments(asked)]),
    );
  },
  headers: ['x-ask'],
});

const urlencoded = 'Content-Type: application/x-www-form-urlencoded';
const multipart = 'Content-Type: multipart/form-data; boundary=XyZ';

test('arguments of a query', async ({ start }) => {
  const { port } = await start([echoFields]);
  const table: readonly (readonly [query: string, fields: readonly (readonly [string, string])[] | 400])[] = [
    ['', []],
    ['?', []],
    ['?a=1', [['a', '1']]],
    [
      '?a=1&b=2&a=3',
      [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ],
    ],
    ['?a=', [['a', '']]],
    ['?a', []],
    ['?=x&&', []],
    ['?a=b=c', [['a', 'b=c']]],
    ['?a=x+y%2Bz%20w', [['a', 'x y+z w']]],
    [
      '?a+b=1&%61=2',
      [
        ['a b', '1'],
        ['a', '2'],
      ],
    ],
    [
      '?a=%C3%A9&b=%26%3D',
      [
        ['a', 'é'],
        ['b', '&='],
      ],
    ],
    ['?a=%', 400],
    ['?a=%4', 400],
    ['?a=%zz', 400],
    ['?%zz=a', 400],
    ['?a=%FF', 400],
  ];
  for (const [query, fields] of table) {
    const response = await ask(port, 'GET', `/t${query}`);
    if (fields === 400) expect(response.status, query).toBe(400);
    else expect(JSON.parse(response.text), query).toStrictEqual(fields);
  }
});

test('an argument is found by its whole name', async ({ start }) => {
  const { port } = await start([echoFields]);
  const find = async (fields: string, name: string) => {
    const response = await ask(port, 'POST', '/t', fields, [urlencoded, `X-Ask: ${name}`]);
    return JSON.parse(response.text) as unknown;
  };
  expect(await find('a=1', 'arg')).toStrictEqual([null, []]);
  expect(await find('arg=1', 'a')).toStrictEqual([null, []]);
  expect(await find('A=1', 'a')).toStrictEqual([null, []]);
  expect(await find('a=1&arg=2&arg=3', 'arg')).toStrictEqual(['2', ['2', '3']]);
});

test('fields of an urlencoded body; the query of a POST is no argument', async ({ start }) => {
  const { port } = await start([echoFields]);
  const table: readonly (readonly [body: string | Uint8Array, fields: readonly (readonly [string, string])[] | 400])[] =
    [
      ['', []],
      [
        'a=1&b=x+y%2B',
        [
          ['a', '1'],
          ['b', 'x y+'],
        ],
      ],
      [
        'a&b=',
        [
          ['a', ''],
          ['b', ''],
        ],
      ],
      ['a=é', [['a', 'é']]],
      ['a=1&', [['a', '1']]],
      ['=1', 400],
      ['a=%zz', 400],
      [Uint8Array.of(0x61, 0x3d, 0xff), 400],
    ];
  for (const [body, fields] of table) {
    const response = await ask(port, 'POST', '/t?q=1', body, [`${urlencoded}; charset=utf-8`]);
    if (fields === 400) expect(response.status, String(body)).toBe(400);
    else expect(JSON.parse(response.text), String(body)).toStrictEqual(fields);
  }
});

test('256 fields are taken, 257 are refused', async ({ start }) => {
  const { port } = await start([echoFields]);
  const pairs = (count: number) => Array.from({ length: count }, (_, i) => `f${i}=${i}`).join('&');
  const parts = (count: number) =>
    `${Array.from({ length: count }, (_, i) => part(`name="f${i}"`, String(i))).join('')}--XyZ--`;
  const options = { receiveBufSize: 1 << 20 };
  expect((JSON.parse((await ask(port, 'POST', '/t', pairs(256), [urlencoded])).text) as unknown[]).length).toBe(256);
  expect((await ask(port, 'POST', '/t', pairs(257), [urlencoded])).status).toBe(413);
  expect((await ask(port, 'GET', `/t?${pairs(257)}`)).status).toBe(413);
  const large = await start([echoFields], options);
  expect((JSON.parse((await ask(large.port, 'POST', '/t', parts(256), [multipart])).text) as unknown[]).length).toBe(
    256,
  );
  expect((await ask(large.port, 'POST', '/t', parts(257), [multipart])).status).toBe(413);
});

function part(parameters: string, value: string, headers = ''): string {
  return `--XyZ\r\nContent-Disposition: form-data; ${parameters}\r\n${headers}\r\n${value}\r\n`;
}

test('fields of a multipart body', async ({ start }) => {
  const { port } = await start([echoFields]);
  const end = '--XyZ--\r\n';
  const table: readonly (readonly [
    name: string,
    body: string,
    fields: readonly (readonly [string, string])[] | 400,
  ])[] = [
    [
      'two fields',
      part('name="a"', '1') + part('name="b"', 'x\r\ny') + end,
      [
        ['a', '1'],
        ['b', 'x\r\ny'],
      ],
    ],
    ['no line end after the end', `${part('name="a"', '1')}--XyZ--`, [['a', '1']]],
    ['nothing but the end', end, []],
    ['empty value', part('name="a"', '') + end, [['a', '']]],
    ['value like a boundary', part('name="a"', '--XyZ') + end, [['a', '--XyZ']]],
    ['raw value', part('name="a"', '%41+b') + end, [['a', '%41+b']]],
    ['name as a token', part('name=a', '1') + end, [['a', '1']]],
    ['escaped name', part('name="a\\"b%22c"', '1') + end, [['a"b"c', '1']]],
    ['text beyond ASCII', part('name="é"', 'ü') + end, [['é', 'ü']]],
    ['other headers', part('name="a"', '1', 'X-Other: 1\r\n') + end, [['a', '1']]],
    ['file', part('name="a"; filename="x.txt"', '1') + end, 400],
    ['file with encoded name', part('name="a"; filename*=UTF-8\'\'x', '1') + end, 400],
    ['own type', part('name="a"', '1', 'Content-Type: text/plain\r\n') + end, 400],
    ['own encoding', part('name="a"', '1', 'Content-Transfer-Encoding: base64\r\n') + end, 400],
    ['no name', part('x="a"', '1') + end, 400],
    ['empty name', part('name=""', '1') + end, 400],
    ['two names', part('name="a"; name="b"', '1') + end, 400],
    ['open quote', part('name="a', '1') + end, 400],
    ['no end', part('name="a"', '1'), 400],
    ['cut within a value', '--XyZ\r\nContent-Disposition: form-data; name="a"\r\n\r\nhel', 400],
    ['cut within a head', '--XyZ\r\nContent-Disposition: form-da', 400],
    ['no disposition', '--XyZ\r\n\r\n1\r\n--XyZ--', 400],
    ['attachment', '--XyZ\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--XyZ--', 400],
    ['text before', `hello\r\n${part('name="a"', '1')}${end}`, 400],
    ['text after', `${part('name="a"', '1')}${end}hello`, 400],
    ['another boundary', part('name="a"', '1').replaceAll('XyZ', 'AbC') + end, 400],
    ['a longer boundary', part('name="a"', '1').replaceAll('XyZ', 'XyZa') + end, 400],
    ['garbage', 'garbage', 400],
    ['nothing', '', 400],
  ];
  for (const [name, body, fields] of table) {
    const response = await ask(port, 'POST', '/t', body, [multipart]);
    if (fields === 400) expect(response.status, name).toBe(400);
    else expect(JSON.parse(response.text), name).toStrictEqual(fields);
  }
});

test('the boundary of a multipart body', async ({ start }) => {
  const { port } = await start([echoFields]);
  const body = (boundary: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`;
  const table: readonly (readonly [parameter: string, boundary: string, status: number])[] = [
    ['boundary=abc', 'abc', 200],
    ['boundary="a b/c"', 'a b/c', 200],
    ['charset=utf-8; boundary=abc; x=y', 'abc', 200],
    ['BOUNDARY=abc', 'abc', 200],
    [`boundary=${'x'.repeat(70)}`, 'x'.repeat(70), 200],
    [`boundary=${'x'.repeat(71)}`, 'x'.repeat(71), 400],
    ['boundary=', '', 400],
    ['boundary=""', '', 400],
    ['boundary="a "', 'a ', 400],
    ['x=y', 'abc', 400],
  ];
  for (const [parameter, boundary, status] of table) {
    const response = await ask(port, 'POST', '/t', body(boundary), [`Content-Type: multipart/form-data; ${parameter}`]);
    expect(response.status, parameter).toBe(status);
  }
});

test('a raw root and other types get no fields', async ({ start }) => {
  const { port } = await start([
    root({
      body: 'raw',
      onRequest: (exchange) =>
        void exchange.reply(200, `${exchange.fields.length}${Buffer.from(exchange.body).toString()}`),
    }),
    root({ root: 'other', onRequest: (exchange) => void exchange.reply(200, String(exchange.fields.length)) }),
  ]);
  expect((await ask(port, 'POST', '/t', 'a=%zz', [urlencoded])).text).toBe('0a=%zz');
  expect((await ask(port, 'POST', '/other', 'a=%zz', ['Content-Type: text/plain'])).text).toBe('0');
});

const field = fc.record({
  name: fc.string({ unit: 'grapheme', minLength: 1 }),
  value: fc.string({ unit: 'grapheme' }),
});

test('any form survives its encoding', () => {
  holds(
    fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
      const text = new URLSearchParams(fields.map(({ name, value }): [string, string] => [name, value])).toString();
      expect(pairs(parseUrlencoded(Buffer.from(text)))).toStrictEqual(pairs(fields));
      expect(pairs(parseQuery(text))).toStrictEqual(pairs(fields));
    }),
  );
});

test('any multipart form survives its encoding', async () => {
  await holds(
    fc.asyncProperty(fc.array(field, { maxLength: 5 }), async (fields) => {
      // The encoder makes CR LF of every line end, and an escape of a quote in a name looks like text.
      const plain = fields.filter(({ name, value }) => !/[\r\n%\\]/.test(name) && !/[\r\n]/.test(value));
      const form = new FormData();
      for (const { name, value } of plain) form.append(name, value);
      const encoded = new Response(form);
      const body = new Uint8Array(await encoded.arrayBuffer());
      expect(pairs(parseMultipart(body, encoded.headers.get('content-type') ?? ''))).toStrictEqual(pairs(plain));
    }),
    { runs: 200 },
  );
});

function pairs(fields: readonly { readonly name: string; readonly value: string }[]): readonly (readonly string[])[] {
  return fields.map(({ name, value }) => [name, value]);
}

test('a damaged form is refused and nothing worse', () => {
  const good = Buffer.from(`${part('name="a"', 'x')}${part('name="b"; x="y"', 'z', 'X-Y: 1\r\n')}--XyZ--\r\n`);
  const refusedOrRead = (parse: () => unknown) => {
    try {
      parse();
    } catch (error) {
      assert(error instanceof FieldError, String(error));
    }
  };
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom(...Buffer.from('\r\n-";=:\\X \xff'))), {
    maxLength: 4,
  });
  holds(
    fc.property(damage, fc.nat(good.length), fc.uint8Array({ maxLength: 40 }), (changes, length, tail) => {
      const body = Buffer.from(good);
      for (const [at, byte] of changes) body[at] = byte;
      refusedOrRead(() => parseMultipart(body, 'multipart/form-data; boundary=XyZ'));
      refusedOrRead(() => parseMultipart(Buffer.concat([body.subarray(0, length), tail]), 'a/b; boundary=XyZ'));
      refusedOrRead(() => parseUrlencoded(tail));
      refusedOrRead(() => parseQuery(Buffer.from(tail).toString('latin1')));
    }),
    { runs: 500 },
  );
});
