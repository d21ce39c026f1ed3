import { createHash, randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import type { Chunk, ChunkSource } from '#src/http/exchange.js';
import { compressionsOpen } from '#src/native/compression.js';
import { Size } from '#src/native/layout.js';
import '../support/at-rest.js';
import { decode, lacksZstd } from '../support/decode.js';
import { isNode } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { ListSource } from '../support/list-source.js';
import { call, post } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import { ask, RawClient } from '../support/raw-client.js';
import { ChunkedChecker, SlowReader } from '../support/slow-reader.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const on = { compression: { level: 1, isForUnix: false } };
const mega = 1 << 20;

/** Longer than what is never compressed. */
const long = 14_337;

/** Text that differs with its position, of so many bytes. */
function textOf(length: number): Buffer {
  const lines: string[] = [];
  for (let size = 0; size < length; size += lines.at(-1)?.length ?? 0) lines.push(`{"n":${size},"at":${size * 7919}},`);
  return Buffer.from(lines.join('').slice(0, length));
}

const noise = randomBytes(65_536);

/** Gives what gzip makes nothing smaller of, in memory that it uses again, until so many bytes are given. */
class NoiseSource implements ChunkSource {
  given = 0;
  released = 0;
  readonly #shared = Buffer.from(noise);

  constructor(readonly total: number) {}

  next(): Chunk {
    if (this.given >= this.total) return null;
    this.#shared.writeDoubleLE(this.given);
    this.given += this.#shared.length;
    return this.#shared;
  }

  release(): void {
    this.released += 1;
  }
}

const codings = unless(lacksZstd, test);

describe('the coding that a client gets', () => {
  const cases: readonly (readonly [accept: string | undefined, coding: string | undefined])[] = [
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['br, deflate', undefined],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['zstd', 'zstd'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['GZIP;Q=0.5, Zstd;q=0.4', 'gzip'],
    ['zstd;q=0, gzip', 'gzip'],
    ['*', 'zstd'],
    ['zstd;q=0, *', 'gzip'],
    ['*;q=0', undefined],
    ['*;q=0, gzip', 'gzip'],
    ['gzip;q=0, zstd;q=0', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity;q=0', undefined],
    ['identity;q=0, *', 'zstd'],
    ['gzip;q=nonsense', undefined],
  ];
  codings('is the one it likes best, and HEAD tells the same', async ({ start }) => {
    const body = textOf(100_000);
    const { port } = await start(
      [
        root({
          onRequest: (exchange) => {
            if (exchange.path === '/stream')
              exchange.stream(200, new ListSource([body.subarray(0, 50_000), body.subarray(50_000)]));
            else exchange.reply(200, body);
          },
        }),
      ],
      on,
    );
    const client = await RawClient.connect(port);
    for (const path of ['/t', '/t/stream']) {
      for (const [accept, coding] of cases) {
        const headers = accept === undefined ? [] : [`Accept-Encoding: ${accept}`];
        const reply = await client.ask('GET', path, undefined, headers);
        const about = `${path} ${accept}`;
        expect(reply.headers.get('content-encoding'), about).toBe(coding);
        expect(reply.headers.get('vary'), about).toBe('Accept-Encoding');
        expect(decode(coding, reply.body).equals(body), about).toBe(true);
        expect(reply.headers.has('content-length'), about).toBe(path === '/t' && coding === undefined);
        const { headers: told } = await client.ask('HEAD', path, undefined, headers);
        const [same, head] = [reply.headers, told].map((all) =>
          [...all].filter(([name]) => !/^(date|transfer-)/.test(name)),
        );
        expect(head, about).toStrictEqual(same);
      }
    }
    const twice = await client.ask('GET', '/t', undefined, ['Accept-Encoding: br', 'Accept-Encoding: gzip']);
    expect(twice.headers.get('content-encoding')).toBe('gzip');
    client.close();
  });

  test('is none for what is short, is no text, has a coding, or is not to be compressed here', async ({ start }) => {
    const reply = (length: number, headers?: Record<string, string>) => ({ length, headers });
    const replies: Readonly<Record<string, { length: number; headers?: Record<string, string> | undefined }>> = {
      short: reply(long - 1),
      image: reply(long, { 'Content-Type': 'image/png' }),
      events: reply(long, { 'content-type': 'text/event-stream' }),
      coded: reply(long, { 'Content-Encoding': 'br' }),
      json: reply(long, { 'Content-Type': 'application/problem+json; charset=utf-8' }),
      vary: reply(long, { vary: 'Origin' }),
    };
    const declaration = root({
      onRequest: (exchange) => {
        const { length, headers } = replies[exchange.path.slice(1)] ?? reply(0);
        exchange.reply(200, textOf(length), headers);
      },
    });
    const { port } = await start([declaration], on);
    const gets = async (path: string) =>
      (await ask(port, 'GET', `/t/${path}`, undefined, ['Accept-Encoding: gzip'])).headers;
    for (const path of ['short', 'image', 'events']) {
      const headers = await gets(path);
      expect(headers.get('content-encoding'), path).toBe(undefined);
      expect(headers.get('vary'), path).toBe(undefined);
      expect(headers.has('content-length'), path).toBe(true);
    }
    expect((await gets('coded')).get('content-encoding')).toBe('br');
    expect((await gets('json')).get('content-encoding')).toBe('gzip');
    expect((await gets('vary')).get('vary')).toBe('Origin, Accept-Encoding');
    const off = await start([declaration]);
    const plain = await ask(off.port, 'GET', '/t/json', undefined, ['Accept-Encoding: gzip']);
    expect(plain.headers.get('content-encoding')).toBe(undefined);
    expect(plain.headers.get('vary')).toBe(undefined);
  });

  test('makes an entity tag weak, and 304 has the same', async ({ start }) => {
    const body = textOf(long);
    const { port } = await start(
      [
        root({
          headers: ['if-none-match'],
          onRequest: (exchange) => {
            const isKnown = exchange.header('if-none-match') !== undefined;
            exchange.reply(isKnown ? 304 : 200, body, { etag: exchange.path === '/weak' ? 'W/"a"' : '"a"' });
          },
        }),
      ],
      on,
    );
    const client = await RawClient.connect(port);
    const gzip = 'Accept-Encoding: gzip';
    const plain = await client.ask('GET', '/t');
    expect(plain.headers.get('etag')).toBe('"a"');
    for (const path of ['/t', '/t/weak']) {
      const coded = await client.ask('GET', path, undefined, [gzip]);
      expect(coded.headers.get('etag')).toBe('W/"a"');
      expect(zlib.gunzipSync(coded.body).equals(body)).toBe(true);
      const same = await client.ask('GET', path, undefined, [gzip, 'If-None-Match: W/"a"']);
      expect(same.status).toBe(304);
      expect(same.headers.get('etag')).toBe('W/"a"');
      expect(same.headers.get('vary')).toBe('Accept-Encoding');
      expect(same.headers.has('content-encoding')).toBe(false);
    }
    client.close();
  });
});

codings('whatever a source gives and when, it comes out whole', async ({ start }) => {
  let source: ListSource | undefined;
  const { port } = await start(
    [
      root({
        onRequest: (exchange) => {
          if (source !== undefined) exchange.stream(200, source);
        },
      }),
    ],
    on,
  );
  const sizes = fc.oneof(fc.nat(300), fc.nat(66_000), fc.integer({ min: 65_535, max: 65_537 }), fc.nat(600_000));
  const chunk = fc.record({
    size: sizes,
    fill: fc.oneof(fc.constant(undefined), fc.nat(255)),
    way: fc.constantFrom('now', 'now', 'microtask', 'turn', 'nothing'),
  });
  const client = await RawClient.connect(port);
  await holds(
    fc.asyncProperty(
      fc.array(chunk, { maxLength: 9 }),
      fc.constantFrom('gzip', 'zstd'),
      fc.boolean(),
      async (chunks, coding, isTold) => {
        const bytes = chunks.map(({ size, fill }) => (fill === undefined ? textOf(size) : Buffer.alloc(size, fill)));
        const body = Buffer.concat(bytes);
        source = new ListSource(
          chunks.flatMap(({ way }, n): ListSource['chunks'] => {
            const given = bytes[n] ?? null;
            if (way === 'microtask') return [() => Promise.resolve(given)];
            if (way === 'turn') return [() => turn(given)];
            return way === 'nothing' ? [Buffer.alloc(0), given] : [given];
          }),
          isTold ? body.length : undefined,
        );
        const reply = await client.ask('GET', '/t', undefined, [`Accept-Encoding: ${coding}`]);
        const isCoded = !isTold || body.length >= long;
        expect(reply.headers.get('content-encoding')).toBe(isCoded ? coding : undefined);
        expect(decode(isCoded ? coding : undefined, reply.body).equals(body)).toBe(true);
        expect(source.released).toBe(1);
      },
    ),
    { runs: 60 },
  );
  client.close();
  await expect.poll(compressionsOpen).toBe(0);
});

test('what a source has given is sent while it lets wait for more', async ({ start }) => {
  let goOn: (chunk: Chunk) => void = () => {};
  const { port } = await start(
    [
      root({
        onRequest: (exchange) => {
          const later = new Promise<Chunk>((resolve) => {
            goOn = resolve;
          });
          exchange.stream(200, new ListSource(['first', () => later, 'last']));
        },
      }),
    ],
    on,
  );
  const inflated: string[] = [];
  const gunzip = zlib.createGunzip().on('data', (bytes: Buffer) => inflated.push(bytes.toString()));
  const client = await RawClient.connect(port);
  client.request('GET', '/t', undefined, ['Accept-Encoding: gzip']);
  const checker = new ChunkedChecker((bytes) => gunzip.write(Buffer.from(bytes)));
  client.socket.on('data', (bytes: Buffer) => checker.push(bytes));
  await expect.poll(() => inflated.join('')).toBe('first');
  goOn(Buffer.from('second'));
  await expect.poll(() => inflated.join('')).toBe('firstsecondlast');
  await expect.poll(() => checker.isComplete).toBe(true);
  client.close();
});

test('a source rests while its reader does, who gets every byte of 60 MB', async ({ start }) => {
  const source = new NoiseSource(60 * mega);
  const { port, until, server } = await start([root({ onRequest: (exchange) => exchange.stream(200, source) })], on);
  const hash = createHash('sha1');
  const gunzip = zlib.createGunzip().on('data', (bytes) => hash.update(bytes));
  const checker = new ChunkedChecker((bytes) => gunzip.write(Buffer.from(bytes)));
  const reader = await SlowReader.ask(port, '/t', (bytes) => checker.push(bytes), ['Accept-Encoding: gzip']);
  // Until the buffers of the kernel are full.
  let last = { given: 0, looks: 0 };
  await until(() => {
    last = { given: source.given, looks: source.given === last.given ? last.looks + 1 : 0 };
    return last.given > 0 && last.looks > 50;
  });
  expect(source.given).toBeLessThan(source.total / 2);
  const stop = reader.pulse(20, 5);
  await until(() => checker.isComplete || server.openConnections === 0);
  stop();
  gunzip.end();
  await expect.poll(() => gunzip.readableEnded || gunzip.closed).toBe(true);
  const expected = createHash('sha1');
  const twin = new NoiseSource(60 * mega);
  for (let chunk = twin.next(); chunk !== null; chunk = twin.next()) expected.update(chunk);
  expect(hash.digest('hex')).toBe(expected.digest('hex'));
  expect(source.released).toBe(1);
  await until(() => compressionsOpen() === 0);
  reader.socket.destroy();
});

test('a client that leaves frees its compressor and its source at once', async ({ start }) => {
  const sources: NoiseSource[] = [];
  const { port, server, until } = await start(
    [
      root({
        onRequest: (exchange) => {
          const source = new NoiseSource(Number.POSITIVE_INFINITY);
          sources.push(source);
          exchange.stream(200, source);
        },
      }),
    ],
    on,
  );
  const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(port)));
  for (const client of clients) client.request('GET', '/t', undefined, ['Accept-Encoding: gzip']);
  await until(() => sources.length === 6 && sources.every(({ given }) => given > 0));
  expect(compressionsOpen()).toBe(6);
  for (const client of clients) client.kill();
  await until(() => server.openExchanges === 0 && compressionsOpen() === 0);
  expect(sources.map(({ released }) => released)).toStrictEqual(Array(6).fill(1));
});

test('so many are compressed at once, and the next as it is', async ({ start }) => {
  const { port, until } = await start(
    [
      root({
        onRequest: (exchange) => {
          if (exchange.path === '/large') exchange.reply(200, textOf(300_000));
          else exchange.stream(200, new NoiseSource(Number.POSITIVE_INFINITY));
        },
      }),
    ],
    on,
  );
  const readers = await Promise.all(
    Array.from({ length: Size.compressions }, () => SlowReader.ask(port, '/t', undefined, ['Accept-Encoding: gzip'])),
  );
  await until(() => compressionsOpen() === Size.compressions);
  const next = await ask(port, 'GET', '/t/large', undefined, ['Accept-Encoding: gzip']);
  expect(next.headers.get('content-encoding')).toBe(undefined);
  expect(next.headers.get('vary')).toBe('Accept-Encoding');
  expect(next.headers.get('content-length')).toBe('300000');
  expect(next.body.equals(textOf(300_000))).toBe(true);
  for (const { socket } of readers) socket.destroy();
  await until(() => compressionsOpen() === 0);
  const coded = await ask(port, 'GET', '/t/large', undefined, ['Accept-Encoding: gzip']);
  expect(coded.headers.get('content-encoding')).toBe('gzip');
});

const failures: readonly (readonly [name: string, make: () => ListSource])[] = [
  ['throws', () => new ListSource([textOf(200_000), new Error('source broke')])],
  ['rejects', () => new ListSource([textOf(200_000), () => Promise.reject(new Error('source broke'))])],
  ['gives less than it announced', () => new ListSource([textOf(200_000)], 300_000)],
  ['gives more than it announced', () => new ListSource([textOf(200_000), 'more'], 200_000)],
];

for (const [name, make] of failures) {
  test(`a source that ${name} never ends well`, async ({ start }) => {
    const source = make();
    const { port, counter, until } = await start([root({ onRequest: (exchange) => exchange.stream(200, source) })], on);
    const client = await RawClient.connect(port);
    client.request('GET', '/t', undefined, ['Accept-Encoding: gzip', 'Connection: close']);
    const all = (await client.rest()).toString('latin1');
    // As long as nothing is sent, it is a refusal.
    if (!all.startsWith('HTTP/1.1 500 ')) expect(all.endsWith('0\r\n\r\n')).toBe(false);
    expect(counter('stream_errors')).toBe(1);
    expect(source.released).toBe(1);
    await until(() => compressionsOpen() === 0);
  });
}

describe('a whole server', () => {
  codings('compresses dumps and pages, and counts what it compresses', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const domain = server.usrloc?.domain('location');
    for (let n = 0; n < 2000; n++) domain?.save(`a${n}`, { contact: `sip:a${n}@192.0.2.1`, expires: 3600 });
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'ul_dump', id: 'x' });
    const plain = await post(server, body);
    for (const coding of ['zstd', 'gzip']) {
      const { headers, bytes } = await post(server, body, { headers: { 'Accept-Encoding': coding } });
      expect(headers).toMatchObject({ 'content-encoding': coding, vary: 'Accept-Encoding' });
      expect(bytes.length * 4).toBeLessThan(plain.bytes.length);
      expect(decode(coding, Buffer.from(bytes)).toString().length).toBe(plain.body.length);
    }
    expect(await call(server, 'get_statistics', [['compressions']])).toStrictEqual({ 'mem:compressions': 0 });
    await expect(server).toBeAtRest();
  });

  test('compresses what goes by a Unix socket only when it is told so', async ({ startServer, temporaryFiles }) => {
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'rpc.discover', id: 1 });
    for (const [compression, coding] of [
      [1, undefined],
      [2, 'gzip'],
    ] as const) {
      const path = join(temporaryFiles({}), 'mi.sock');
      const httpd = { compression, listen: [`unix:${path}`, 'http:127.0.0.1:0'], ip: undefined, port: undefined };
      const server = await startServer({ httpd, usrloc: {} });
      const reply = await new Promise<IncomingMessage>((resolve) => {
        const headers = { 'Content-Type': 'application/json', 'Accept-Encoding': 'gzip' };
        request({ socketPath: path, path: '/mi', method: 'POST', headers }, resolve).end(body);
      });
      const pieces: Buffer[] = [];
      for await (const piece of reply) pieces.push(piece);
      const text = decode(coding, Buffer.concat(pieces));
      expect(text.length).toBeGreaterThan(long);
      expect(reply.headers['content-encoding']).toBe(coding);
      expect(reply.headers.vary).toBe(coding && 'Accept-Encoding');
      const byTcp = await post(server, body, { headers: { 'Accept-Encoding': 'gzip' } });
      expect(byTcp.headers['content-encoding']).toBe('gzip');
      expect(decode('gzip', Buffer.from(byTcp.bytes)).equals(text)).toBe(true);
    }
  });

  test('compresses nothing when it is told so', async ({ startServer }) => {
    const server = await startServer({ httpd: { compression: 0 }, usrloc: {} });
    const domain = server.usrloc?.domain('location');
    for (let n = 0; n < 200; n++) domain?.save(`a${n}`, { contact: `sip:a${n}@192.0.2.1`, expires: 3600 });
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'ul_dump', id: 1 });
    const { headers, bytes } = await post(server, body, { headers: { 'Accept-Encoding': 'gzip' } });
    expect(bytes.length).toBeGreaterThan(long);
    expect(headers['content-encoding']).toBe(undefined);
    expect(headers.vary).toBe(undefined);
  });

  test('leaves the refusal as it is that pushes out the replies before it', async ({ startServer }) => {
    const { port } = await startServer();
    const body = '{"jsonrpc":"2.0","method":"version","id":1}';
    const one = `POST /mi HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const client = await RawClient.connect(port);
    client.send(one.repeat(60));
    let refusal = await client.response();
    for (let n = 1; refusal.status === 200 && n < 60; n++) refusal = await client.response();
    expect(refusal.status).toBe(503);
    expect(refusal.headers.has('content-encoding')).toBe(false);
    // Node.js holds no reply back.
    if (!isNode) expect(refusal.body.length).toBeGreaterThan(16_000);
    client.close();
  });
});
