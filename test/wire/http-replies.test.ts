import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:net';
import { formatAddress } from '#src/httpd/address.js';
import type { Exchange, ReplyHeaders } from '#src/httpd/exchange.js';
import { lastError, root, start } from './http-server.js';
import { ask, RawClient } from './raw-client.js';

const timeout = 20_000;

test('HEAD is GET without the body', { timeout }, async (t) => {
  const { port } = await start(t, [
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
    assert.equal(response.status, status, path);
    assert.equal(response.headers.get('content-length'), length, path);
    assert.equal(client.unread, '', path);
  }
  assert.equal((await client.ask('GET', '/t')).text, 'héllo', 'the connection goes on');
  client.close();
});

test('the headers of a reply', { timeout }, async (t) => {
  const { port } = await start(t, [
    root({
      contentType: 'application/json',
      onRequest: (exchange) => {
        if (exchange.path === '/own') exchange.reply(201, 'x', { 'content-type': 'text/x', 'X-A': 'b' });
        else exchange.reply(Number(exchange.path.slice(1)) || 200);
      },
    }),
  ]);
  const plain = await ask(port, 'GET', '/t');
  assert.deepEqual([...plain.headers.keys()].sort(), ['content-length', 'content-type', 'date']);
  assert.equal(plain.headers.get('content-length'), '0');
  assert.equal(plain.headers.get('content-type'), 'application/json');
  assert.equal(plain.statusLine, 'HTTP/1.1 200 OK');
  const own = await ask(port, 'GET', '/t/own');
  assert.equal(own.statusLine, 'HTTP/1.1 201 Created');
  assert.equal(own.headers.get('content-type'), 'text/x');
  assert.equal(own.headers.get('x-a'), 'b');
  const none = await ask(port, 'GET', '/t/204');
  assert.equal(none.statusLine, 'HTTP/1.1 204 No Content');
  assert.equal(none.headers.has('content-length'), false);
  assert.equal((await ask(port, 'GET', '/t/202')).headers.get('content-length'), '0');
  assert.equal((await ask(port, 'GET', '/t/599')).status, 599);
});

test('a handler cannot split the response, nor set its framing', { timeout }, async (t) => {
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
  const { port, log } = await start(t, [
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
      assert.equal(response.status, 500, JSON.stringify(headers));
      assert.equal(response.headers.has('x-injected'), false);
      assert.match(lastError(log), message);
    }
  }
  assert.equal(released, bad.length);
});

test("a status that is none is the handler's fault", { timeout }, async (t) => {
  const { port, log } = await start(t, [
    root({ onRequest: (exchange) => void exchange.reply(Number(exchange.path.slice(1)), 'x') }),
  ]);
  for (const status of ['100', '199', '600', '200.5', 'x']) {
    assert.equal((await ask(port, 'GET', `/t/${status}`)).status, 500, status);
    assert.match(String(log.at(-1)?.fields.err), /is not an integer from 200 to 599/);
  }
});

test('a handler that fails is answered 500 without detail, logged once, and hurts nobody else', {
  timeout,
}, async (t) => {
  const { port, log } = await start(t, [
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
    assert.equal(response.status, 500, path);
    assert.doesNotMatch(response.text, /secret/);
    assert.equal(log.length, before + 1, path);
    assert.match(lastError(log), /secret[\s\S]*http-replies/);
  }
  const before = log.length;
  assert.equal((await client.ask('GET', '/t/replied')).text, '"fine"');
  assert.equal(log.length, before + 1);
  assert.equal((await client.ask('GET', '/t')).text, '"ok"');
  client.close();
});

test('only the first reply counts', { timeout }, async (t) => {
  const results: unknown[] = [];
  const { port } = await start(t, [
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
  assert.equal((await client.ask('GET', '/t')).text, 'first');
  assert.deepEqual(results, [false, true, true, false, 'released']);
  assert.equal((await client.ask('GET', '/t')).text, 'first');
  client.close();
});

test('a handler that answers later is corked: one segment', { timeout }, async (t) => {
  const { port } = await start(t, [
    root({
      onRequest: (exchange) => void setTimeout(() => exchange.reply(200, 'later', { 'X-A': '1', 'X-B': '2' }), 5),
    }),
  ]);
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /t HTTP/1.1\r\nHost: a\r\n\r\n');
  const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  assert.match(first.toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nlater$/);
  socket.destroy();
});

test('an exchange that is left unanswered is answered 504', { timeout }, async (t) => {
  const kept: Exchange[] = [];
  const { port, counter, server } = await start(t, [
    root({ timeout: 0.2, onRequest: (exchange) => void kept.push(exchange) }),
  ]);
  const client = await RawClient.connect(port);
  client.request('GET', '/t');
  const response = await client.response();
  assert.equal(response.status, 504);
  assert.equal(response.text, 'no answer within 0.2 s\n');
  assert.equal(kept[0]?.signal.aborted, true);
  assert.equal(kept[0]?.reply(200, 'too late'), false);
  assert.equal(counter('timeouts'), 1);
  assert.equal(counter('aborted'), 0);
  assert.equal(server.openExchanges, 0);
  client.request('GET', '/t');
  assert.equal((await client.response()).status, 504, 'the connection goes on');
  client.close();
});

test('the remote address is that of the connection, whatever a PROXY preface says', { timeout }, async (t) => {
  const { port } = await start(t, [
    root({ onRequest: (exchange) => void exchange.reply(200, exchange.remoteAddress) }),
  ]);
  assert.equal((await ask(port, 'GET', '/t')).text, '127.0.0.1');
  const client = await RawClient.connect(port);
  const preface = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    // Version 2, PROXY; TCP over IPv4; 12 bytes: 6.6.6.6:1 to 7.7.7.7:2.
    Buffer.from([0x21, 0x11, 0, 12, 6, 6, 6, 6, 7, 7, 7, 7, 0, 1, 0, 2]),
  ]);
  client.send(Buffer.concat([preface, Buffer.from('GET /t HTTP/1.1\r\nHost: a\r\n\r\n')]));
  assert.equal((await client.response()).text, '127.0.0.1');
  client.close();
});

test('the remote address is known to a late reply, and empty when the client is gone', { timeout }, async (t) => {
  let kept: Exchange | undefined;
  const { port, until, server } = await start(
    t,
    [
      root({
        onRequest: (exchange) => {
          kept = exchange;
        },
      }),
    ],
    {
      ip: '*',
    },
  );
  const client = await RawClient.connect(port, '::1');
  client.request('GET', '/t');
  await until(() => kept !== undefined);
  const exchange = kept as unknown as Exchange;
  assert.equal(exchange.remoteAddress, '::1');
  client.close();
  await until(() => server.openExchanges === 0);
  assert.equal(exchange.remoteAddress, '::1');
  const second = await RawClient.connect(port, '127.0.0.1');
  second.request('GET', '/t');
  await until(() => kept !== exchange);
  second.kill();
  await until(() => server.openExchanges === 0);
  assert.equal(kept?.remoteAddress, '');
});

test('addresses are told in their short form', () => {
  const table: readonly (readonly [bytes: string, text: string])[] = [
    ['', ''],
    ['7f000001', '127.0.0.1'],
    ['00000000000000000000ffff7f000001', '127.0.0.1'],
    ['00000000000000000000000000000001', '::1'],
    ['00000000000000000000000000000000', '::'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['fe800000000000000000000000000000', 'fe80::'],
    ['00000001000200030004000500060007', '0:1:2:3:4:5:6:7'],
    ['00010000000000020000000000000003', '1:0:0:2::3'],
  ];
  for (const [bytes, text] of table) assert.equal(formatAddress(Buffer.from(bytes, 'hex')), text);
});

test('a client that closes its sending side gets a reply made at once, and none that comes later', {
  timeout,
}, async (t) => {
  let gone = 0;
  const { port, until, server } = await start(t, [
    root({
      onRequest: (exchange) => {
        if (exchange.path === '/later') exchange.onGone = () => gone++;
        else exchange.reply(200, 'now');
      },
    }),
  ]);
  const now = await RawClient.connect(port);
  now.socket.end('GET /t HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await now.response()).text, 'now');
  const later = await RawClient.connect(port);
  later.socket.end('GET /t/later HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await later.rest()).length, 0);
  await until(() => server.openConnections === 0);
  assert.equal(gone, 1);
});

test('a client that leaves is told once, and its signal aborted', { timeout }, async (t) => {
  let gone = 0;
  const kept: Exchange[] = [];
  const { port, until, counter, server } = await start(t, [
    root({
      onRequest: (exchange) => {
        kept.push(exchange);
        exchange.onGone = () => gone++;
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  client.request('POST', '/t', 'body');
  await until(() => kept.length === 1);
  const { signal } = kept[0] as Exchange;
  assert.equal(signal.aborted, false);
  client.kill();
  await until(() => gone > 0);
  assert.equal(signal.aborted, true);
  assert.equal((signal.reason as Error).message, 'the client left');
  assert.equal(kept[0]?.finished, true);
  assert.equal(kept[0]?.reply(200, 'x', { 'X-A': 'b' }), false);
  assert.equal(server.openExchanges, 0);
  assert.equal(counter('aborted'), 1);
  assert.equal(gone, 1);
});

test('requests, replies and bytes are counted', { timeout }, async (t) => {
  const { port, counter, until } = await start(t, [
    root({ onRequest: (exchange) => void exchange.reply(Number(exchange.path.slice(1)), 'é') }),
  ]);
  const client = await RawClient.connect(port);
  for (const status of [200, 202, 301, 404, 500, 503]) await client.ask('POST', `/t/${status}`, 'body');
  assert.deepEqual(
    [
      'requests',
      'replies_2xx',
      'replies_3xx',
      'replies_4xx',
      'replies_5xx',
      'bytes_in',
      'bytes_out',
      'connections',
    ].map(counter),
    [6, 2, 1, 1, 2, 24, 12, 1],
  );
  client.close();
  await until(() => counter('connections') === 0);
  assert.equal(counter('connections_total'), 1);
  assert.equal(counter('refused'), 0);
  assert.equal(counter('aborted'), 0);
});
