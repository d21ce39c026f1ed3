import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import type { ReplyHeaders } from '#src/http/exchange.js';
import type { RootDeclaration } from '#src/http/roots.js';
import { openConnection, standingHeaders } from '../support/engine.js';
import { lastError, root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

test('HEAD is GET without the body', async ({ start }) => {
  const { port } = await start([
    root({
      onRequest: (exchange) => {
        if (exchange.path === '/large') exchange.reply(200, 'x'.repeat(500_000));
        else if (exchange.path === '/later') setImmediate(() => exchange.reply(404, 'later'));
        else if (exchange.path === '/flush') exchange.flush(200);
        else if (exchange.path === '/throw') throw new Error('thrown');
        else exchange.reply(200, 'héllo', { 'X-Extra': '1' });
      },
      onFlush: () => 'never pulled',
    }),
  ]);
  const table: readonly (readonly [path: string, status: number, length: string | undefined])[] = [
    ['/t', 200, '6'],
    ['/t/large', 200, '500000'],
    ['/t/later', 404, '5'],
    ['/t/flush', 200, undefined],
    ['/t/throw', 500, '48'],
    ['/nope', 404, '43'],
  ];
  const client = await RawClient.connect(port);
  for (const [path, status, length] of table) {
    const response = await client.ask('HEAD', path);
    expect(response.status, path).toBe(status);
    expect(response.headers.get('content-length'), path).toBe(length);
    expect(client.unread, path).toBe('');
  }
  expect((await client.ask('GET', '/t')).text, 'the connection goes on').toBe('héllo');
  client.close();
});

test('the headers of a reply', async ({ start }) => {
  const { port } = await start([
    root({
      contentType: 'application/json',
      onRequest: (exchange) => {
        if (exchange.path === '/own') exchange.reply(201, 'x', { 'content-type': 'text/x', 'X-A': 'b' });
        else exchange.reply(Number(exchange.path.slice(1)) || 200);
      },
    }),
  ]);
  const plain = await ask(port, 'GET', '/t');
  expect([...plain.headers.keys()].sort()).toStrictEqual(
    ['content-length', 'content-type', 'date', 'x-content-type-options', ...standingHeaders].sort(),
  );
  expect(plain.headers.get('content-length')).toBe('0');
  expect(plain.headers.get('content-type')).toBe('application/json');
  expect(plain.statusLine).toBe('HTTP/1.1 200 OK');
  const own = await ask(port, 'GET', '/t/own');
  expect(own.statusLine).toBe('HTTP/1.1 201 Created');
  expect(own.headers.get('content-type')).toBe('text/x');
  expect(own.headers.get('x-a')).toBe('b');
  const none = await ask(port, 'GET', '/t/204');
  expect(none.statusLine).toBe('HTTP/1.1 204 No Content');
  expect(none.headers.has('content-length')).toBe(false);
  expect((await ask(port, 'GET', '/t/202')).headers.get('content-length')).toBe('0');
  expect((await ask(port, 'GET', '/t/599')).status).toBe(599);
});

test('a handler cannot split the response, nor set its framing', async ({ start }) => {
  const bad: readonly (readonly [ReplyHeaders, RegExp])[] = [
    [{ 'X-A': 'b\r\nX-Injected: 1' }, /X-A contains CR, LF or NUL/],
    [{ 'X-A': 'b\nX-Injected: 1' }, /X-A/],
    [{ 'X-A': 'b\rX-Injected: 1' }, /X-A/],
    [{ 'X-A': 'b\0' }, /X-A/],
    [{ 'X-A\r\nX-Injected': '1' }, /is not a token/],
    [{ 'X A': '1' }, /is not a token/],
    [{ '': '1' }, /is not a token/],
    [{ 'X:': '1' }, /is not a token/],
    [{ 'Content-Length': '0' }, /Content-Length is set by the HTTP layer/],
    [{ 'transfer-encoding': 'chunked' }, /set by the HTTP layer/],
    [{ Connection: 'close' }, /set by the HTTP layer/],
  ];
  let next: ReplyHeaders = {};
  let how: 'reply' | 'stream' | 'flush' = 'reply';
  const { port, log } = await start([
    root({
      onRequest: (exchange) => {
        if (how === 'reply') exchange.reply(200, 'body', next);
        else if (how === 'flush') exchange.flush(200, next);
        else exchange.stream(200, { next: () => null, release: () => released++ }, next);
      },
      onFlush: () => null,
    }),
  ]);
  let released = 0;
  for (how of ['reply', 'flush', 'stream'] as const) {
    for (const [headers, message] of bad) {
      next = headers;
      const response = await ask(port, 'GET', '/t');
      expect(response.status, JSON.stringify(headers)).toBe(500);
      expect(response.headers.has('x-injected')).toBe(false);
      expect(lastError(log)).toMatch(message);
    }
  }
  expect(released).toBe(bad.length);
});

test("a status that is none is the handler's fault", async ({ start }) => {
  const { port, log } = await start([
    root({ onRequest: (exchange) => void exchange.reply(Number(exchange.path.slice(1)), 'x') }),
  ]);
  for (const status of ['100', '199', '600', '200.5', 'x']) {
    expect((await ask(port, 'GET', `/t/${status}`)).status, status).toBe(500);
    expect(String(log.at(-1)?.fields.err)).toMatch(/is not an integer from 200 to 599/);
  }
});

test('a handler that fails is answered 500 without detail, logged once, and hurts nobody else', async ({ start }) => {
  const { port, log } = await start([
    root({
      contentType: 'application/json',
      onRequest: async (exchange) => {
        if (exchange.path === '/sync') throw new Error('secret');
        await Promise.resolve();
        if (exchange.path === '/async') throw new Error('secret');
        if (exchange.path === '/replied') {
          exchange.reply(200, '"fine"');
          throw new Error('secret');
        }
        exchange.reply(200, '"ok"');
      },
    }),
    root({
      root: 'sync',
      onRequest: () => {
        throw new Error('secret');
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const [method, path] of [
    ['GET', '/t/sync'],
    ['POST', '/t/async'],
    ['POST', '/sync'],
  ] as const) {
    const before = log.length;
    const response = await client.ask(method, path, method === 'POST' ? 'body' : undefined);
    expect(response.status, path).toBe(500);
    expect(response.text).not.toMatch(/secret/);
    expect(log.length, path).toBe(before + 1);
    expect(lastError(log)).toMatch(/secret[\s\S]*http-replies/);
  }
  const before = log.length;
  expect((await client.ask('GET', '/t/replied')).text).toBe('"fine"');
  expect(log.length).toBe(before + 1);
  expect((await client.ask('GET', '/t')).text).toBe('"ok"');
  client.close();
});

test('only the first reply counts', async ({ start }) => {
  const results: unknown[] = [];
  const { port } = await start([
    root({
      onRequest: (exchange) => {
        results.push(exchange.finished, exchange.reply(200, 'first'), exchange.finished, exchange.reply(500, 'second'));
        exchange.refuse(400, 'third');
        exchange.flush(200);
        exchange.stream(200, { next: () => null, release: () => results.push('released') });
      },
      onFlush: () => 'fourth',
    }),
  ]);
  const client = await RawClient.connect(port);
  expect((await client.ask('GET', '/t')).text).toBe('first');
  expect(results).toStrictEqual([false, true, true, false, 'released']);
  expect((await client.ask('GET', '/t')).text).toBe('first');
  client.close();
});

test('a handler that answers later is corked: one segment', async ({ start }) => {
  const { port } = await start([
    root({
      onRequest: (exchange) => void setTimeout(() => exchange.reply(200, 'later', { 'X-A': '1', 'X-B': '2' }), 5),
    }),
  ]);
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /t HTTP/1.1\r\nHost: a\r\n\r\n');
  const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  expect(first.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nlater$/);
  socket.destroy();
});

describe('a client that asks for the connection to be closed', () => {
  const streamed = root({ onRequest: (exchange) => exchange.stream(200, { next: () => null, release: () => {} }) });
  const cases: readonly (readonly [string, RootDeclaration, string, string])[] = [
    ['a reply', root(), 'GET', '/t'],
    ['a streamed reply', streamed, 'GET', '/t'],
    ['a reply without a body', root(), 'HEAD', '/t'],
    ['a refusal', root(), 'GET', '/nowhere'],
  ];
  for (const [what, declaration, method, path] of cases) {
    for (const value of ['close', 'Close', 'keep-alive, close']) {
      test(`is told so once in ${what}, for ${value}`, async ({ start }) => {
        const { port } = await start([declaration]);
        const { headers } = await ask(port, method, path, undefined, [`Connection: ${value}`]);
        expect(headers.get('connection')).toBe('close');
      });
    }
  }

  test('is not told so when it asks for something else', async ({ start }) => {
    const { port } = await start([root()]);
    const { headers } = await ask(port, 'GET', '/t', undefined, ['Connection: keep-alive']);
    expect(headers.get('connection')).toBe(openConnection);
  });
});
