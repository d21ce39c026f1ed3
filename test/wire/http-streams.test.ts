import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Chunk } from '#src/http/exchange.js';
import { answers } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { ListSource } from '../support/list-source.js';
import { ask, RawClient } from '../support/raw-client.js';
import { ChunkedChecker, SlowReader } from '../support/slow-reader.js';
import { test } from '../support/test.js';

const mega = 1 << 20;

/** Bytes that differ with their position, so that a lost or doubled piece shows. */
function fill(buffer: Buffer, position: number): Buffer {
  for (let i = 0; i + 8 <= buffer.length; i += 8) buffer.writeDoubleLE(position + i, i);
  return buffer;
}

function digest(total: number, piece: number): string {
  const hash = createHash('sha1');
  const buffer = Buffer.alloc(piece);
  for (let position = 0; position < total; position += piece) {
    hash.update(fill(buffer, position).subarray(0, Math.min(piece, total - position)));
  }
  return hash.digest('hex');
}

test('flush streams 200 MB through a slow reader in bounded memory, every byte right', async ({ start }) => {
  const total = 200 * mega;
  // One buffer for all chunks: nothing of it may be kept by the layer.
  const shared = Buffer.alloc(65536);
  let largestMax = 0;
  const { port, server, counter, until } = await start([
    root({
      onRequest: (exchange) => exchange.flush(200),
      onFlush: (_exchange, position, max) => {
        largestMax = Math.max(largestMax, max);
        return position >= total ? null : fill(shared, position);
      },
    }),
  ]);
  const hash = createHash('sha1');
  const checker = new ChunkedChecker((bytes) => hash.update(bytes));
  const before = process.memoryUsage.rss();
  let peak = before;
  const reader = await SlowReader.ask(port, '/t', (bytes) => {
    checker.push(bytes);
    peak = Math.max(peak, process.memoryUsage.rss());
  });
  await delay(300);
  const stop = reader.pulse(20, 5);
  await until(() => checker.isComplete || server.openConnections === 0);
  stop();
  expect(checker.isComplete).toBe(true);
  expect(checker.length).toBe(total);
  expect(hash.digest('hex')).toBe(digest(total, 65536));
  expect(peak - before, `resident memory grew by ${Math.round((peak - before) / mega)} MB`).toBeLessThan(48 * mega);
  expect(largestMax > 60_000 && largestMax <= 65536, `asked for ${largestMax} bytes`).toBe(true);
  expect(counter('bytes_out')).toBe(total);
  reader.socket.destroy();
});

test('a held body of 64 MB goes to a stalled and then slow reader with its length, without a copy', async ({
  start,
}) => {
  const body = fill(Buffer.alloc(64 * mega), 0);
  const { port, server, until } = await start([root({ onRequest: (exchange) => void exchange.reply(200, body) })]);
  const before = process.memoryUsage.rss();
  const hash = createHash('sha1');
  let head = '';
  const reader = await SlowReader.ask(port, '/t', (bytes) => {
    const text = bytes.toString('latin1', 0, 300);
    const start = head === '' ? text.indexOf('\r\n\r\n') + 4 : 0;
    if (head === '') head = text.slice(0, start);
    hash.update(bytes.subarray(start));
  });
  await until(() => server.openExchanges === 1);
  await delay(300);
  const grown = process.memoryUsage.rss() - before;
  expect(grown, `resident memory grew by ${Math.round(grown / mega)} MB while the reader stalled`).toBeLessThan(
    24 * mega,
  );
  const stop = reader.pulse(20, 5);
  await until(() => server.openExchanges === 0 && reader.received >= body.length + head.length);
  stop();
  expect(head).toMatch(new RegExp(`Content-Length: ${body.length}\r\n`));
  expect(hash.digest('hex')).toBe(createHash('sha1').update(body).digest('hex'));
  reader.socket.destroy();
});

for (const size of [262_143, 262_144, 262_145, 1_000_003]) {
  for (const kind of ['bytes', 'string'] as const) {
    test(`a reply of ${size} bytes as ${kind} has its length and leaves the connection usable`, async ({ start }) => {
      const bytes = Buffer.alloc(size, 'abcdefghij');
      const { port } = await start([
        root({ onRequest: (exchange) => void exchange.reply(200, kind === 'bytes' ? bytes : bytes.toString()) }),
      ]);
      const client = await RawClient.connect(port);
      for (let round = 0; round < 2; round++) {
        const response = await client.ask('GET', '/t');
        expect(response.headers.get('content-length')).toBe(String(size));
        expect(response.body.equals(bytes)).toBe(true);
      }
      client.close();
    });
  }
}

test('a source may give chunks now, later, none yet, and of any size', async ({ start }) => {
  const large = fill(Buffer.alloc(mega + 5), 0);
  const sources: ListSource[] = [];
  const make = (length?: number): ListSource => {
    const later = (chunk: Chunk) => delay(3).then(() => chunk);
    const source = new ListSource(
      [
        'one',
        later(Buffer.from('two')),
        '',
        later(Buffer.alloc(0)),
        '',
        '',
        large,
        later(Buffer.from('end')),
        later(null),
      ],
      length,
    );
    sources.push(source);
    return source;
  };
  const expected = Buffer.concat([Buffer.from('onetwo'), large, Buffer.from('end')]);
  const { port } = await start([
    root({
      onRequest: (exchange) => exchange.stream(200, make(exchange.path === '/length' ? expected.length : undefined)),
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/length', '/t']) {
    const response = await client.ask('GET', path);
    expect(response.body.equals(expected), path).toBe(true);
    expect(response.headers.get('content-length')).toBe(path === '/t' ? undefined : String(expected.length));
  }
  client.close();
  expect(sources.map(({ released }) => released)).toStrictEqual([1, 1, 1]);
});

test('a stream that must be the last on its connection says so in its head, and nothing in its body', async ({
  start,
}) => {
  const large = Buffer.alloc(300_000, 'x');
  const { port } = await start([
    root({
      onRequest: (exchange) => {
        if (exchange.path === '/held') exchange.reply(200, large);
        else exchange.stream(200, new ListSource(['one', large, 'two']));
      },
    }),
  ]);
  for (const [path, length] of [
    ['/t', 300_006],
    ['/t/held', 300_000],
  ] as const) {
    const client = await RawClient.connect(port);
    const asks = answers.chunked === 'open' ? 'Connection: close\r\n' : '';
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\n${asks}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`);
    const response = await client.response();
    expect(response.headers.get('connection')).toBe('close');
    expect(response.body.length).toBe(length);
    expect(client.unread).toBe('');
    client.close();
  }
});

test('an empty source gives an empty reply', async ({ start }) => {
  const { port } = await start([
    root({
      onRequest: (exchange) => exchange.stream(200, new ListSource([], exchange.path === '/length' ? 0 : undefined)),
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/length', '/t']) expect((await client.ask('GET', path)).body.length, path).toBe(0);
  client.close();
});

test('flush gives strings too, and counts positions in bytes', async ({ start }) => {
  const positions: number[] = [];
  const parts = ['é', 'abc', '', 'ü'];
  const { port } = await start([
    root({
      onRequest: (exchange) => exchange.flush(200),
      onFlush: async (_exchange, position) => {
        positions.push(position);
        return parts.shift() ?? null;
      },
    }),
  ]);
  expect((await ask(port, 'GET', '/t')).text).toBe('éabcü');
  expect(positions).toStrictEqual([0, 2, 5, 5, 7]);
});

test('while one client streams as fast as it can, others are served', async ({ start }) => {
  const chunk = Buffer.alloc(65536);
  const { port, server, until } = await start([
    root({ onRequest: (exchange) => exchange.flush(200), onFlush: () => chunk }),
    root({ root: 'small' }),
  ]);
  const reader = await SlowReader.ask(port, '/t');
  reader.socket.resume();
  await until(() => server.openExchanges === 1);
  const client = await RawClient.connect(port);
  const started = performance.now();
  for (let i = 0; i < 50; i++) expect((await client.ask('GET', '/small')).text).toBe('ok');
  const each = (performance.now() - started) / 50;
  expect(each, `a small request took ${each.toFixed(1)} ms`).toBeLessThan(100);
  expect(server.openExchanges).toBe(1);
  reader.socket.destroy();
  client.close();
});
