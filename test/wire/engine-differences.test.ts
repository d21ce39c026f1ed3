// What the engines answer to requests that they do not answer alike; test/support/engine.ts has the answers.
import { describe, expect } from 'vitest';
import type { Exchange } from '#src/http/exchange.js';
import { answers, isNode } from '../support/engine.js';
import { collectUncaught } from '../support/faults/uncaught.js';
import { root } from '../support/http-server.js';
import { ListSource } from '../support/list-source.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const get = 'GET /t HTTP/1.1\r\nHost: a\r\n\r\n';
const chunked = 'POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

const echo = root({
  headers: ['host'],
  onRequest: (exchange) =>
    void exchange.reply(200, `${exchange.method} ${exchange.header('host')} ${Buffer.from(exchange.body)}`),
});

const sendings: readonly (readonly [name: string, sent: string, status: number | string])[] = [
  ['HTTP/1.0', 'GET /t HTTP/1.0\r\n\r\n', answers.http10],
  ['HTTP/1.0 with a body', 'POST /t HTTP/1.0\r\nContent-Length: 2\r\n\r\nab', answers.http10],
  ['HTTP/0.9', 'GET /t\r\n\r\n', 505],
  ['HTTP/2.0', 'GET /t HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['HTTP/1.1 without Host', 'GET /t HTTP/1.1\r\n\r\n', 400],
  ['an absolute target', 'GET http://b:1/t HTTP/1.1\r\nHost: a\r\n\r\n', answers.absoluteForm],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', answers.optionsAll],
  ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', answers.connect],
  ['an empty line first', `\r\n${get}`, answers.emptyLine],
  ['an unknown expectation', 'GET /t HTTP/1.1\r\nHost: a\r\nExpect: other\r\n\r\n', answers.expectation],
  ['a chunk extension', `${chunked}2;a=b\r\nab\r\n0\r\n\r\n`, answers.chunkExtension],
  ['trailers', `${chunked}2\r\nab\r\n0\r\nX: y\r\n\r\n`, answers.trailers],
  ['a chunk without its end', `${chunked}2\r\nabc\r\n0\r\n\r\n`, answers.badChunk],
];

for (const [name, sent, status] of sendings) {
  test.skipIf(typeof status === 'string')(`${name} gets ${status}`, async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    client.send(sent);
    expect((await client.response()).status).toBe(status);
    client.close();
  });
}

test('a client that closes its side gets a reply that is given at once; else it is gone', async ({ start }) => {
  let gone = 0;
  const { port, server, until } = await start([
    root({
      onRequest: (exchange) => {
        exchange.onGone = () => gone++;
        if (exchange.path === '/now') exchange.reply(200, 'now');
        else if (exchange.path === '/stream')
          exchange.stream(200, { next: () => new Promise(() => {}), release: () => {} });
      },
    }),
  ]);
  const now = await RawClient.connect(port);
  now.socket.end(get.replace('/t', '/t/now'));
  expect((await now.response()).text).toBe('now');
  expect((await now.rest()).toString()).toBe('');
  for (const path of ['/t/later', '/t/stream']) {
    gone = 0;
    const client = await RawClient.connect(port);
    client.send(get.replace('/t', path));
    await until(() => server.openExchanges === 1);
    client.socket.end();
    await until(() => gone === 1);
    expect((await client.rest()).toString()).toBe('');
  }
  await until(() => server.openConnections === 0 && server.openExchanges === 0);
});

unless(isNode ? false : 'these servers are uWebSockets.js', describe)('the engine of Node.js', () => {
  test('closes after a reply to HTTP/1.0, unless it is asked not to', async ({ start }) => {
    const { port } = await start([echo]);
    const once = await RawClient.connect(port);
    once.send('GET /t HTTP/1.0\r\n\r\n');
    const { text, headers } = await once.response();
    expect([text, headers.get('connection')]).toStrictEqual(['GET undefined ', 'close']);
    expect(await once.isClosed()).toBe(true);
    const twice = await RawClient.connect(port);
    for (let n = 0; n < 2; n++) {
      twice.send('POST /t HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab');
      const reply = await twice.response();
      expect([reply.text, reply.headers.get('connection')]).toStrictEqual(['POST undefined ab', 'keep-alive']);
    }
    twice.close();
  });

  test('ends a stream to HTTP/1.0 with its connection, whatever was asked for', async ({ start }) => {
    const { port } = await start([
      root({ onRequest: (exchange) => exchange.stream(200, new ListSource(['one', 'two'])) }),
    ]);
    for (const field of ['', 'Connection: keep-alive\r\n']) {
      const client = await RawClient.connect(port);
      client.send(`GET /t HTTP/1.0\r\n${field}\r\n${get}`);
      const { headers, text } = await client.response();
      expect([headers.get('transfer-encoding'), headers.get('connection'), text]).toStrictEqual([
        undefined,
        'close',
        'onetwo',
      ]);
    }
  });

  test('answers HEAD without a body, by HTTP/1.0 and for an absolute target too', async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    for (const line of ['HEAD /t HTTP/1.1', 'HEAD http://b:1/t HTTP/1.1', 'HEAD /t HTTP/1.0']) {
      client.send(`${line}\r\nHost: a\r\n\r\n`);
      const { status, headers } = await client.response(true);
      expect([status, headers.get('content-length')]).toStrictEqual([200, line.includes('b:1') ? '9' : '7']);
    }
    expect((await client.rest()).toString()).toBe('');
  });

  test('reads a body with chunk extensions and trailers, which change nothing, and goes on', async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    client.send(`${chunked}2;a=b;c="d e"\r\nab\r\n1;x\r\nc\r\n0;y\r\nHost: evil\r\nAuthorization: x\r\n\r\n${get}`);
    expect((await client.response()).text).toBe('POST a abc');
    expect((await client.response()).text).toBe('GET a ');
    client.close();
  });

  test('takes the host of an absolute target in place of the header', async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    client.send('GET http://user@b:1/t?x HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.response()).text).toBe('GET b:1 ');
    client.close();
  });

  test('tells why it refuses, as text or JSON, and closes', async ({ start }) => {
    const { port, counter, until } = await start([echo]);
    for (const [sent, status, type, reason] of [
      ['GET /t HTTP/1.1\r\n\r\n', 400, 'text/plain; charset=utf-8', /^there is no Host header/],
      ['GET /t HTTP/1.1\r\nAccept: application/json\r\n\r\n', 400, 'application/json', /^{"error":"there is no Host/],
      ['what\r\n\r\n', 400, 'text/plain; charset=utf-8', /^the request is malformed: /],
      [`${get.slice(0, -2)}X: ${'x'.repeat(20_000)}`, 431, 'text/plain; charset=utf-8', /limit of 16384 bytes/],
      ['GET /t HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'text/plain; charset=utf-8', /Content-Length/],
    ] as const) {
      const client = await RawClient.connect(port);
      client.send(sent);
      const reply = await client.response();
      expect([reply.status, reply.headers.get('content-type')]).toStrictEqual([status, type]);
      expect(reply.text).toMatch(reason);
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await client.isClosed()).toBe(true);
    }
    await until(() => counter('connections') === 0);
    expect(counter('engine_refusals')).toBe(5);
  });

  test('answers what came before something malformed, in order, then refuses', async ({ start }) => {
    const kept: Exchange[] = [];
    const { port, until } = await start([root({ onRequest: (exchange) => void kept.push(exchange) })]);
    const client = await RawClient.connect(port);
    client.send(`${get}${get}what\r\n\r\n${get}`);
    await until(() => kept.length === 2);
    kept[1]?.reply(200, 'second');
    kept[0]?.reply(200, 'first');
    expect((await client.response()).text).toBe('first');
    expect((await client.response()).text).toBe('second');
    expect((await client.response()).status).toBe(400);
    expect(await client.isClosed()).toBe(true);
    expect(kept.length).toBe(2);
  });

  test('sends a long reply to its end before it refuses CONNECT behind it', async ({ start }) => {
    const large = Buffer.alloc(20_000_000, 'x');
    const { port } = await start([root({ onRequest: (exchange) => void exchange.reply(200, large) })]);
    const client = await RawClient.connect(port);
    client.send(`${get}CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${get}`);
    expect((await client.response()).body.length).toBe(large.length);
    expect((await client.response()).status).toBe(405);
    expect(await client.isClosed()).toBe(true);
  });

  test('serves a request that follows while a reply is pending, in order', async ({ start }) => {
    const kept: Exchange[] = [];
    const large = Buffer.alloc(300_000, 'x');
    const { port, until } = await start([root({ onRequest: (exchange) => void kept.push(exchange) })]);
    const client = await RawClient.connect(port);
    client.send(get + get);
    await until(() => kept.length === 2);
    kept[1]?.reply(200, large);
    kept[0]?.reply(200, 'first');
    expect((await client.response()).text).toBe('first');
    expect((await client.response()).body.length).toBe(large.length);
    client.close();
  });

  for (const [name, sent] of [
    ['in chunks', `${chunked}2\r\nab\r\n0\r\n\r\n`],
    ['with a length', 'POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab'],
  ] as const) {
    test(`serves what comes with a body ${name} behind it, and refuses what is malformed last`, async ({ start }) => {
      const served: string[] = [];
      const { port } = await start([
        root({
          onRequest: (exchange) => {
            served.push(`${exchange.method} ${Buffer.from(exchange.body)}`);
            exchange.reply(200, 'ok');
          },
        }),
      ]);
      const client = await RawClient.connect(port);
      client.send(`${sent}${get}${sent}what\r\n\r\n`);
      for (const status of [200, 200, 200, 400]) expect((await client.response()).status).toBe(status);
      expect(await client.isClosed()).toBe(true);
      expect(served).toStrictEqual(['POST ab', 'GET ', 'POST ab']);
    });
  }

  test('closes behind a request for an upgrade, whatever it gets: Node.js drops what has come with it', async ({
    start,
  }) => {
    const { port } = await start([echo]);
    for (const [line, status] of [
      ['GET /t', 200],
      ['GET /none', 404],
      ['OPTIONS *', 204],
    ] as const) {
      const client = await RawClient.connect(port);
      client.send(`${line} HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n${get}`);
      const reply = await client.response();
      expect([reply.status, reply.headers.get('connection')]).toStrictEqual([status, 'close']);
      expect(await client.isClosed()).toBe(true);
    }
  });

  test('serves nothing behind a reply that closes', async ({ start }) => {
    const served: string[] = [];
    const { port, until, server } = await start([
      root({
        onRequest: (exchange) => {
          served.push(exchange.path);
          exchange.reply(200, 'ok');
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    const last = 'GET /t/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    client.send(`${get}${last}${get.replace('/t', '/t/after')}`);
    await client.rest();
    await until(() => server.openConnections === 0);
    expect(served).toStrictEqual(['', '/last']);
  });

  test('refuses one request more than it serves at once, behind the replies to the others', async ({ start }) => {
    const kept: Exchange[] = [];
    const { port, until } = await start([root({ onRequest: (exchange) => void kept.push(exchange) })]);
    const client = await RawClient.connect(port);
    client.send(get.repeat(40));
    await until(() => kept.length === 32);
    for (const [n, exchange] of kept.entries()) exchange.reply(200, `${n}`);
    for (let n = 0; n < 32; n++) expect((await client.response()).text).toBe(`${n}`);
    const refusal = await client.response();
    expect([refusal.status, refusal.headers.get('retry-after')]).toStrictEqual([503, '1']);
    expect(await client.isClosed()).toBe(true);
    expect(kept.length).toBe(32);
  });

  for (const [name, last] of [
    ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
    ['something malformed', 'what\r\n\r\n'],
    ['a request for an upgrade', `${get.slice(0, -2)}Upgrade: x\r\nConnection: upgrade\r\n\r\n`],
    ['an unknown expectation', `${get.slice(0, -2)}Expect: other\r\n\r\n`],
  ] as const) {
    test(`a reset behind ${name}, while a reply is pending, ends no process`, async ({ start, lifetime }) => {
      const uncaught = collectUncaught(lifetime);
      const kept: Exchange[] = [];
      const { port, until, server } = await start([root({ onRequest: (exchange) => void kept.push(exchange) })]);
      const client = await RawClient.connect(port);
      client.send(get + last);
      await until(() => kept.length > 0);
      client.kill();
      await until(() => server.openConnections === 0 && server.openExchanges === 0);
      expect(uncaught).toStrictEqual([]);
    });
  }

  test('gives leave to send a body where it reads it, and closes where it does not', async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    client.send('POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
    const refusal = await client.response();
    expect([refusal.status, refusal.headers.get('connection')]).toStrictEqual([404, 'close']);
    expect(await client.isClosed()).toBe(true);
    const other = await RawClient.connect(port);
    other.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: a-miracle\r\n\r\n');
    expect((await other.response()).status).toBe(417);
    expect(await other.isClosed()).toBe(true);
  });

  for (const [name, sent] of [
    ['says nothing', ''],
    ['sends half a head', 'GET /t HTTP/1.1\r\nHo'],
    ['sends half a body', 'POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab'],
    ['says nothing more', get],
  ] as const) {
    test(`closes a connection that ${name} for conn_timeout`, async ({ start }) => {
      const { port, until, server } = await start([echo], { connTimeout: 0.5 });
      const client = await RawClient.connect(port);
      client.send(sent);
      await client.closed;
      await until(() => server.openConnections === 0 && server.openExchanges === 0);
    });
  }
});
