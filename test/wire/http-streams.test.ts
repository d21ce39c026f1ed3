import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { Chunk, ChunkSource } from '#src/httpd/exchange.js';
import { root, start } from './http-server.js';
import { ask, RawClient } from './raw-client.js';
import { ChunkedChecker, SlowReader } from './slow-reader.js';

const timeout = 60_000;
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

test('flush streams 200 MB through a slow reader in bounded memory, every byte right', { timeout }, async (t) => {
  const total = 200 * mega;
  // One buffer for all chunks: nothing of it may be kept by the layer.
  const shared = Buffer.alloc(65536);
  let largestMax = 0;
  const { port, server, counter, until } = await start(t, [
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
  assert.equal(checker.isComplete, true);
  assert.equal(checker.length, total);
  assert.equal(hash.digest('hex'), digest(total, 65536));
  assert.ok(peak - before < 64 * mega, `resident memory grew by ${Math.round((peak - before) / mega)} MB`);
  assert.equal(largestMax, 65536);
  assert.equal(counter('bytes_out'), total);
  reader.socket.destroy();
});

test('a held body of 64 MB goes to a stalled and then slow reader with its length, without a copy', {
  timeout,
}, async (t) => {
  const body = fill(Buffer.alloc(64 * mega), 0);
  const { port, server, until } = await start(t, [root({ onRequest: (exchange) => void exchange.reply(200, body) })]);
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
  assert.ok(grown < 24 * mega, `resident memory grew by ${Math.round(grown / mega)} MB while the reader stalled`);
  const stop = reader.pulse(20, 5);
  await until(() => server.openExchanges === 0 && reader.received >= body.length + head.length);
  stop();
  assert.match(head, new RegExp(`Content-Length: ${body.length}\r\n`));
  assert.equal(hash.digest('hex'), createHash('sha1').update(body).digest('hex'));
  reader.socket.destroy();
});

for (const size of [262_143, 262_144, 262_145, 1_000_003]) {
  for (const kind of ['bytes', 'string'] as const) {
    test(`a reply of ${size} bytes as ${kind} has its length and leaves the connection usable`, {
      timeout,
    }, async (t) => {
      const bytes = Buffer.alloc(size, 'abcdefghij');
      const { port } = await start(t, [
        root({ onRequest: (exchange) => void exchange.reply(200, kind === 'bytes' ? bytes : bytes.toString()) }),
      ]);
      const client = await RawClient.connect(port);
      for (let round = 0; round < 2; round++) {
        const response = await client.ask('GET', '/t');
        assert.equal(response.headers.get('content-length'), String(size));
        assert.ok(response.body.equals(bytes));
      }
      client.close();
    });
  }
}

/** A source of given chunks that counts its releases. */
class ListSource implements ChunkSource {
  released = 0;
  readonly length?: number;

  constructor(
    readonly chunks: (Chunk | Promise<Chunk> | Error | string | (() => Promise<Chunk>))[],
    length?: number,
  ) {
    if (length !== undefined) this.length = length;
  }

  next(): Chunk | Promise<Chunk> {
    const next = this.chunks.shift() ?? null;
    if (next instanceof Error) throw next;
    if (typeof next === 'function') return next();
    return typeof next === 'string' ? Buffer.from(next) : next;
  }

  release(): void {
    this.released++;
  }
}

test('a source may give chunks now, later, none yet, and of any size', { timeout }, async (t) => {
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
  const { port } = await start(t, [
    root({
      onRequest: (exchange) => exchange.stream(200, make(exchange.path === '/length' ? expected.length : undefined)),
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/length', '/t']) {
    const response = await client.ask('GET', path);
    assert.ok(response.body.equals(expected), path);
    assert.equal(response.headers.get('content-length'), path === '/t' ? undefined : String(expected.length));
  }
  client.close();
  assert.deepEqual(
    sources.map(({ released }) => released),
    [1, 1, 1],
  );
});

test('a stream that must be the last on its connection says so in its head, and nothing in its body', {
  timeout,
}, async (t) => {
  const large = Buffer.alloc(300_000, 'x');
  const { port } = await start(t, [
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
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`);
    const response = await client.response();
    assert.equal(response.headers.get('connection'), 'close');
    assert.equal(response.body.length, length);
    assert.equal(client.unread, '');
    client.close();
  }
});

test('an empty source gives an empty reply', { timeout }, async (t) => {
  const { port } = await start(t, [
    root({
      onRequest: (exchange) => exchange.stream(200, new ListSource([], exchange.path === '/length' ? 0 : undefined)),
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/length', '/t']) assert.equal((await client.ask('GET', path)).body.length, 0, path);
  client.close();
});

test('flush gives strings too, and counts positions in bytes', { timeout }, async (t) => {
  const positions: number[] = [];
  const parts = ['é', 'abc', '', 'ü'];
  const { port } = await start(t, [
    root({
      onRequest: (exchange) => exchange.flush(200),
      onFlush: async (_exchange, position) => {
        positions.push(position);
        return parts.shift() ?? null;
      },
    }),
  ]);
  assert.equal((await ask(port, 'GET', '/t')).text, 'éabcü');
  assert.deepEqual(positions, [0, 2, 5, 5, 7]);
});

test('flush without onFlush is told as the mistake it is', { timeout }, async (t) => {
  const { port, log } = await start(t, [root({ onRequest: (exchange) => exchange.flush(200) })]);
  assert.equal((await ask(port, 'GET', '/t')).status, 500);
  assert.match(String(log[0]?.fields.err), /has no onFlush/);
});

test('an error before the first chunk is a 500', { timeout }, async (t) => {
  const sources: ListSource[] = [];
  const { port, log, counter } = await start(t, [
    root({
      onRequest: (exchange) => {
        const failure = new Error('source broke');
        const source = new ListSource([exchange.path === '/later' ? () => Promise.reject(failure) : failure]);
        sources.push(source);
        exchange.stream(200, source);
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/later']) {
    const response = await client.ask('GET', path);
    assert.equal(response.status, 500);
    assert.doesNotMatch(response.text, /broke/);
  }
  client.close();
  assert.equal(counter('stream_errors'), 2);
  assert.equal(log.length, 2);
  assert.deepEqual(
    sources.map(({ released }) => released),
    [1, 1],
  );
});

const failures: readonly (readonly [name: string, source: () => ListSource])[] = [
  ['throws', () => new ListSource(['one', new Error('source broke')])],
  ['rejects', () => new ListSource(['one', () => turn().then(() => Promise.reject(new Error('source broke')))])],
  ['gives less than it announced', () => new ListSource(['one'], 10)],
  ['gives more than it announced', () => new ListSource(['one', 'two'], 4)],
  ['gives what is no chunk', () => new ListSource(['one', 5 as unknown as Uint8Array])],
];

for (const [name, make] of failures) {
  test(`a source that ${name} in the middle cuts the connection`, { timeout }, async (t) => {
    const source = make();
    let gone = 0;
    const { port, counter, log, server, until } = await start(t, [
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          exchange.stream(200, source);
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    client.request('GET', '/t');
    const received = (await client.rest()).toString();
    assert.match(received, /^HTTP\/1\.1 200 OK/);
    assert.doesNotMatch(received, /\r\n0\r\n\r\n$/, 'no clean end');
    await until(() => server.openExchanges === 0);
    assert.equal(source.released, 1);
    assert.equal(gone, 1);
    assert.equal(counter('stream_errors'), 1);
    assert.equal(counter('aborted'), 0);
    assert.equal(log.filter(({ level }) => level === 'error').length, 1);
  });
}

for (const kind of ['flush', 'stream', 'length', 'held', 'waiting'] as const) {
  test(`a client killed in the middle of a reply (${kind}) frees everything, once`, { timeout }, async (t) => {
    const chunk = Buffer.alloc(65536);
    let gone = 0;
    let released = 0;
    const source = (length?: number): ChunkSource => ({
      length,
      next: () => chunk,
      release: () => released++,
    });
    const { port, server, until, counter } = await start(t, [
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          if (kind === 'flush') exchange.flush(200);
          else if (kind === 'held') exchange.reply(200, Buffer.alloc(64 * mega));
          else if (kind === 'waiting') exchange.stream(200, { ...source(), next: () => new Promise(() => {}) });
          else exchange.stream(200, source(kind === 'length' ? 1e12 : undefined));
        },
        onFlush: () => chunk,
      }),
    ]);
    const reader = await SlowReader.ask(port, '/t');
    await until(() => server.openExchanges === 1);
    await delay(50);
    reader.socket.resetAndDestroy();
    await until(() => server.openExchanges === 0);
    await turn();
    assert.equal(gone, 1);
    assert.equal(released, kind === 'flush' || kind === 'held' ? 0 : 1);
    assert.equal(counter('aborted'), 1);
  });
}

test('while one client streams as fast as it can, others are served', { timeout }, async (t) => {
  const chunk = Buffer.alloc(65536);
  const { port, server, until } = await start(t, [
    root({ onRequest: (exchange) => exchange.flush(200), onFlush: () => chunk }),
    root({ root: 'small' }),
  ]);
  const reader = await SlowReader.ask(port, '/t');
  reader.socket.resume();
  await until(() => server.openExchanges === 1);
  const client = await RawClient.connect(port);
  const started = performance.now();
  for (let i = 0; i < 50; i++) assert.equal((await client.ask('GET', '/small')).text, 'ok');
  const each = (performance.now() - started) / 50;
  assert.ok(each < 100, `a small request took ${each.toFixed(1)} ms`);
  assert.equal(server.openExchanges, 1);
  reader.socket.destroy();
  client.close();
});

test('a client that reads nothing is cut after connTimeout, one that reads slowly is not', { timeout }, async (t) => {
  const chunk = Buffer.alloc(65536);
  let gone = 0;
  const { port, server, until, counter, log } = await start(
    t,
    [
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          if (exchange.path === '/held') exchange.reply(200, Buffer.alloc(64 * mega));
          else exchange.flush(200);
        },
        onFlush: () => chunk,
      }),
    ],
    { connTimeout: 1 },
  );
  for (const path of ['/t', '/t/held']) {
    const stalled = await SlowReader.ask(port, path);
    await until(() => server.openExchanges === 1);
    const started = performance.now();
    await until(() => server.openExchanges === 0);
    const took = performance.now() - started;
    assert.ok(took > 900 && took < 3000, `cut after ${took} ms`);
    stalled.socket.destroy();
  }
  assert.equal(gone, 2);
  assert.equal(counter('timeouts'), 2);
  assert.equal(counter('aborted'), 0);
  assert.equal(log.filter(({ message }) => message.includes('read nothing for 1 s')).length, 2);
  const slow = await SlowReader.ask(port, '/t');
  const stop = slow.pulse(5, 100);
  await until(() => server.openExchanges === 1);
  await delay(3000);
  assert.equal(server.openExchanges, 1);
  stop();
  slow.socket.destroy();
});

test('a source that gives nothing for the timeout of the root is given up', { timeout }, async (t) => {
  let released = 0;
  const { port, counter, server, until } = await start(t, [
    root({
      timeout: 0.3,
      onRequest: (exchange) => {
        let given = exchange.path === '/begun' ? 1 : 0;
        const wait = exchange.path === '/empty' ? Buffer.alloc(0) : new Promise<Chunk>(() => {});
        exchange.stream(200, { next: () => (given-- > 0 ? Buffer.from('one') : wait), release: () => released++ });
      },
    }),
  ]);
  assert.equal((await ask(port, 'GET', '/t')).status, 504);
  assert.equal((await ask(port, 'GET', '/t/empty')).status, 504);
  const client = await RawClient.connect(port);
  client.request('GET', '/t/begun');
  assert.doesNotMatch((await client.rest()).toString(), /\r\n0\r\n\r\n$/);
  await until(() => server.openExchanges === 0);
  assert.equal(released, 3);
  assert.equal(counter('timeouts'), 3);
});
