// Results as lines of JSON: Accept: application/x-ndjson.
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import {
  command,
  defineModule,
  MiError,
  RecordTable,
  type Result,
  secondsLeft,
  stream,
  streamObject,
} from '#src/index.js';
import '../support/at-rest.js';
import { decode } from '../support/decode.js';
import { silentLog } from '../support/log.js';
import { post, withResolvers } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

const linesType = 'application/x-ndjson';
const ask = '{"jsonrpc":"2.0","method":"part:give","id":"i"}';

/** A module whose command `part:give` gives what `make` makes, and `part:give_later` the same, later. */
function giving(make: () => Result | Promise<Result>) {
  const run = () => make();
  return defineModule({
    name: 'part',
    commands: [
      command({ name: 'give', readOnly: true, help: 'Gives a value.', run }),
      command({ name: 'give_later', readOnly: true, help: 'Gives a value.', run: async () => make() }),
    ],
  });
}

function tableOf(records: readonly unknown[]): RecordTable {
  const table = new RecordTable();
  for (const [n, record] of records.entries()) table.set(`key${n}`, record);
  return table;
}

/** The values of lines that each have an end. */
function valuesOf(text: string): unknown[] {
  const lines = text.split('\n');
  expect(lines.pop(), 'the last line has an end').toBe('');
  return lines.map((line) => JSON.parse(line));
}

async function* later<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await new Promise(setImmediate);
    yield item;
  }
}

const many = Array.from({ length: 5000 }, (_, n) => ({ n, text: `"line"\n${n}` }));

/** A value of more than so many nodes is printed in slices. */
const long = { list: Array.from({ length: 3000 }, (_, n) => n) };

const results: readonly (readonly [name: string, make: () => Result, lines: readonly unknown[]])[] = [
  ['a dump within other values', () => ({ name: 'x', all: [{ rows: tableOf(many).dump() }], end: 1 }), many],
  ['a dump of keys', () => tableOf([1, 2]).dump({ as: 'keys' }), ['key0', 'key1']],
  ['a dump of an empty table', () => ({ rows: tableOf([]).dump() }), []],
  ['two dumps, one after the other', () => [tableOf([1, 2]).dump(), tableOf([[3]]).dump()], [1, 2, [3]]],
  ['a dump with times', () => tableOf([{ left: secondsLeft(0, { permanent: 'ever' }) }]).dump(), [{ left: 'ever' }]],
  ['a stream', () => stream(many), many],
  ['a stream that gives later', () => ({ rows: stream(later(many)) }), many],
  ['an empty stream', () => stream([]), []],
  [
    'a stream of an object',
    () => streamObject([['a', 1] as const, ['b', { c: null }] as const]),
    [{ a: 1 }, { b: { c: null } }],
  ],
  ['a dump within a long value', () => ({ ...long, rows: tableOf([7, 8]).dump() }), [7, 8]],
  ['a plain value', () => ({ a: [1, 2] }), [{ a: [1, 2] }]],
  ['a long plain value', () => long, [long]],
  ['a text', () => 'OK', ['OK']],
];

describe('lines of JSON', () => {
  for (const [name, make, lines] of results) {
    test(`are, of ${name}, its records alone, by POST and by GET, at once and later`, async ({ startServer }) => {
      const server = await startServer({ modules: [giving(make)], mi_http: { pretty_printing: 1 } });
      const headers = { Accept: linesType };
      for (const method of ['part:give', 'part:give_later']) {
        const byPost = await post(server, ask.replace('part:give', method), { headers });
        const byGet = await get(server, `/mi/part/${method}?arg=`, { headers });
        for (const { status, headers: told, body } of [byPost, byGet]) {
          expect(status).toBe(200);
          expect(told['content-type']).toBe(linesType);
          expect(valuesOf(body)).toStrictEqual(lines);
        }
      }
      await expect(server).toBeAtRest();
    });
  }

  test('come for those who ask for them by name, and not rather for JSON', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => stream([1, 2]))] });
    const whole = '{"jsonrpc":"2.0","result":[1,2],"id":"i"}';
    for (const [accept, body] of [
      [linesType, '1\n2\n'],
      ['application/jsonl', '1\n2\n'],
      ['Application/X-NDJSON;q=0.5, text/html;q=0.1', '1\n2\n'],
      ['application/x-ndjson, application/json', '1\n2\n'],
      ['application/x-ndjson;q=0.5, application/json', whole],
      ['application/x-ndjson;q=0', whole],
      ['*/*', whole],
      ['application/*', whole],
    ] as const) {
      expect((await post(server, ask, { headers: { Accept: accept } })).body, accept).toBe(body);
    }
  });

  test('of whatever values are those of the JSON-RPC reply', async ({ startServer }) => {
    let items: readonly unknown[] = [];
    const server = await startServer({
      modules: [giving(() => ({ a: tableOf(items).dump(), b: stream(later(items as number[])) }))],
    });
    await holds(
      fc.asyncProperty(fc.array(fc.jsonValue({ maxDepth: 2 })), async (values) => {
        items = JSON.parse(JSON.stringify(values));
        const { body } = await post(server, ask, { headers: { Accept: linesType } });
        const { result } = JSON.parse((await post(server, ask)).body);
        expect(valuesOf(body)).toStrictEqual([...result.a, ...result.b]);
      }),
      { runs: 40 },
    );
    await expect(server).toBeAtRest();
  });

  test('are compressed as other replies are', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => stream(many))] });
    const headers = { Accept: linesType, 'Accept-Encoding': 'gzip' };
    const { headers: told, bytes } = await post(server, ask, { headers });
    expect(told).toMatchObject({ 'content-encoding': 'gzip', 'content-type': linesType });
    expect(valuesOf(decode('gzip', Buffer.from(bytes)).toString())).toStrictEqual(many);
  });

  test('do not wait for the next record', async ({ startServer }) => {
    const { promise, resolve } = withResolvers<void>();
    const items = async function* () {
      yield 'first';
      await promise;
      yield 'second';
    };
    const { port } = await startServer({ modules: [giving(() => stream(items()))] });
    const client = await RawClient.connect(port);
    client.request('POST', '/mi', ask, ['Content-Type: application/json', `Accept: ${linesType}`]);
    await expect.poll(() => client.unread).toContain('"first"\n');
    expect(client.unread).not.toContain('second');
    resolve();
    expect((await client.response()).text).toBe('"first"\n"second"\n');
    client.close();
  });

  test('are none where the command fails before the first: that is a JSON-RPC reply, with its status', async ({
    startServer,
  }) => {
    const failing = function* () {
      yield* [] as number[];
      throw new MiError(404, 'AOR not found');
    };
    const makes: readonly (readonly [make: () => Result, error: object])[] = [
      [() => stream(failing()), { code: 404, message: 'AOR not found' }],
      [
        () => {
          throw new MiError(500, 'No room');
        },
        { code: 500, message: 'No room' },
      ],
    ];
    for (const [make, error] of makes) {
      const server = await startServer({ modules: [giving(make)] });
      const { status, headers, body } = await post(server, ask, { headers: { Accept: linesType } });
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('application/json');
      expect(JSON.parse(body)).toStrictEqual({ jsonrpc: '2.0', error, id: 'i' });
      const refused = await post(server, '{', { headers: { Accept: linesType } });
      expect(JSON.parse(refused.body).error.code).toBe(-32700);
      const lost = await get(server, '/nowhere', { headers: { Accept: linesType } });
      expect([lost.status, lost.headers['content-type']]).toStrictEqual([404, 'application/json']);
      await expect(server).toBeAtRest();
    }
  });

  test('end with the connection where one fails later', async ({ startServer }) => {
    const failing = async function* () {
      for (const item of many) yield item;
      await new Promise(setImmediate);
      throw new Error('the source is gone');
    };
    const server = await startServer({
      modules: [giving(() => stream(failing()))],
      log: silentLog,
    });
    const client = await RawClient.connect(server.port);
    client.request('POST', '/mi', ask, ['Content-Type: application/json', `Accept: ${linesType}`]);
    const all = (await client.rest()).toString();
    expect(all).toMatch(/^HTTP\/1\.1 200 /);
    expect(all.endsWith('0\r\n\r\n')).toBe(false);
    await expect(server).toBeAtRest();
  });

  test('are none of a batch, nor of a notification', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => stream([1, 2]))] });
    const headers = { Accept: linesType };
    const batch = await post(server, `[${ask}]`, { headers });
    expect(batch.headers['content-type']).toBe('application/json');
    expect(JSON.parse(batch.body)).toStrictEqual([{ jsonrpc: '2.0', result: [1, 2], id: 'i' }]);
    const notification = await post(server, ask.replace(',"id":"i"', ''), { headers });
    expect([notification.status, notification.body]).toStrictEqual([202, '']);
  });

  test('of a download by GET are a file of that kind', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => stream([1, 2]))] });
    const { headers, body } = await get(server, '/mi/part/part:give?arg=&download=1', {
      headers: { Accept: linesType },
    });
    expect(headers['content-disposition']).toBe('attachment; filename="part_give.ndjson"');
    expect(body).toBe('1\n2\n');
  });
});
