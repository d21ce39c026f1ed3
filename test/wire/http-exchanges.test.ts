import { expect } from 'vitest';
import { formatAddress } from '#src/base/address.js';
import type { Exchange } from '#src/http/exchange.js';
import { answers } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

test('an exchange that is left unanswered is answered 504', async ({ start }) => {
  const kept: Exchange[] = [];
  const { port, counter, server } = await start([
    root({ timeout: 0.2, onRequest: (exchange) => void kept.push(exchange) }),
  ]);
  const client = await RawClient.connect(port);
  client.request('GET', '/t');
  const response = await client.response();
  expect(response.status).toBe(504);
  expect(response.text).toBe('no answer within 0.2 s\n');
  expect(kept[0]?.signal.aborted).toBe(true);
  expect(kept[0]?.reply(200, 'too late')).toBe(false);
  expect(counter('timeouts')).toBe(1);
  expect(counter('aborted')).toBe(0);
  expect(server.openExchanges).toBe(0);
  client.request('GET', '/t');
  expect((await client.response()).status, 'the connection goes on').toBe(504);
  client.close();
});

test('the remote address is that of the connection, whatever a PROXY preface says', async ({ start }) => {
  const { port } = await start([root({ onRequest: (exchange) => void exchange.reply(200, exchange.remoteAddress) })]);
  expect((await ask(port, 'GET', '/t')).text).toBe('127.0.0.1');
  const client = await RawClient.connect(port);
  const preface = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    // Version 2, PROXY; TCP over IPv4; 12 bytes: 6.6.6.6:1 to 7.7.7.7:2.
    Buffer.from([0x21, 0x11, 0, 12, 6, 6, 6, 6, 7, 7, 7, 7, 0, 1, 0, 2]),
  ]);
  client.send(Buffer.concat([preface, Buffer.from('GET /t HTTP/1.1\r\nHost: a\r\n\r\n')]));
  const { status, text } = await client.response();
  expect(status, text).toBe(answers.proxyPreface);
  if (status === 200) expect(text).toBe('127.0.0.1');
  client.close();
});

test('the remote address is known to a late reply, and empty when the client is gone', async ({ start }) => {
  let kept: Exchange | undefined;
  const { port, until, server } = await start(
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
  expect(exchange.remoteAddress).toBe('::1');
  client.close();
  await until(() => server.openExchanges === 0);
  expect(exchange.remoteAddress).toBe('::1');
  const second = await RawClient.connect(port, '127.0.0.1');
  second.request('GET', '/t');
  await until(() => kept !== exchange);
  second.kill();
  await until(() => server.openExchanges === 0);
  expect(kept?.remoteAddress).toBe('');
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
  for (const [bytes, text] of table) expect(formatAddress(Buffer.from(bytes, 'hex'))).toBe(text);
});

test('a client that closes its sending side gets a reply made at once, and none that comes later', async ({
  start,
}) => {
  let gone = 0;
  const { port, until, server } = await start([
    root({
      onRequest: (exchange) => {
        if (exchange.path === '/later') exchange.onGone = () => gone++;
        else exchange.reply(200, 'now');
      },
    }),
  ]);
  const now = await RawClient.connect(port);
  now.socket.end('GET /t HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await now.response()).text).toBe('now');
  const later = await RawClient.connect(port);
  later.socket.end('GET /t/later HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await later.rest()).length).toBe(0);
  await until(() => server.openConnections === 0);
  expect(gone).toBe(1);
});

test('a client that leaves is told once, and its signal aborted', async ({ start }) => {
  let gone = 0;
  const kept: Exchange[] = [];
  const { port, until, counter, server } = await start([
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
  expect(signal.aborted).toBe(false);
  client.kill();
  await until(() => gone > 0);
  expect(signal.aborted).toBe(true);
  expect((signal.reason as Error).message).toBe('the client left');
  expect(kept[0]?.finished).toBe(true);
  expect(kept[0]?.reply(200, 'x', { 'X-A': 'b' })).toBe(false);
  expect(server.openExchanges).toBe(0);
  expect(counter('aborted')).toBe(1);
  expect(gone).toBe(1);
});

test('requests, replies and bytes are counted', async ({ start }) => {
  const { port, counter, until } = await start([
    root({ onRequest: (exchange) => void exchange.reply(Number(exchange.path.slice(1)), 'é') }),
  ]);
  const client = await RawClient.connect(port);
  for (const status of [200, 202, 301, 404, 500, 503]) await client.ask('POST', `/t/${status}`, 'body');
  expect(
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
  ).toStrictEqual([6, 2, 1, 1, 2, 24, 12, 1]);
  client.close();
  await until(() => counter('connections') === 0);
  expect(counter('connections_total')).toBe(1);
  expect(counter('refused')).toBe(0);
  expect(counter('aborted')).toBe(0);
});
